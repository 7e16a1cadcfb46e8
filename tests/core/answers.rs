//! Answers about batches: read in one pass, of which every part can be found again.

use bytes::Bytes;
use extracta_rs::core::javascript::{Event, MAX_DEPTH, Members, Reader, SyntaxError};
use extracta_rs::core::model::{BatchAnswer, BatchKey, Field, FileShape, Kind, Target};

fn parse(json: &str) -> Result<BatchAnswer, String> {
    let key = BatchKey::new(Target::new(Kind::Extraction, "-Oe").unwrap(), "-Ob").unwrap();
    BatchAnswer::parse(key, Bytes::copy_from_slice(json.as_bytes()))
}

fn files(answer: &BatchAnswer) -> &[FileShape] {
    answer.shape.files.as_deref().unwrap()
}

/// Reads the value of the first key, in one go or event by event; then what is behind it.
fn read(text: &str, in_one_go: bool) -> Result<usize, SyntaxError> {
    read_expecting(&mut Members::default(), text, in_one_go)
}

/// The same, where keys were read before.
fn read_expecting(
    members: &mut Members,
    text: &str,
    in_one_go: bool,
) -> Result<usize, SyntaxError> {
    let mut reader = Reader::of(text);
    assert_eq!(reader.next_event()?, Some(Event::StartObject));
    assert!(matches!(reader.next_event()?, Some(Event::Key(_))));
    let end = if in_one_go {
        reader.skip_value(members)?.end
    } else {
        reader.next_event()?;
        while reader.depth() > 1 {
            reader.next_event()?;
        }
        reader.offset()
    };
    while reader.next_event()?.is_some() {}
    Ok(end)
}

#[test]
fn what_is_skipped_is_read_as_strictly_as_what_is_not() {
    let text =
        r#"{"k": [{"a": "b\n\u00e9", "": [1, -2.5e+3], "c": {}}, [ ], true,null] , "x":false}"#;
    let mut members = Members::default();
    assert_eq!(read_expecting(&mut members, text, true), Ok(text.len() - 12 - 1));
    for at in 6..text.len() {
        let (before, rest) = text.split_at(at);
        assert_eq!(read(before, true), read(before, false), "{before}");
        for other in [
            "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "t", " ", "\u{1}",
            "\u{e9}",
        ] {
            for changed in
                [format!("{before}{other}{rest}"), format!("{before}{other}{}", &rest[1..])]
            {
                let as_strictly = read(&changed, false);
                assert_eq!(read(&changed, true), as_strictly, "{changed}");
                assert_eq!(read_expecting(&mut members, &changed, true), as_strictly, "{changed}");
                read_expecting(&mut members, text, true).unwrap();
            }
        }
    }
}

#[test]
fn what_is_skipped_may_be_nested_as_deeply_as_what_is_read() {
    for levels in [63, 64, 65, 1_000, MAX_DEPTH - 1, MAX_DEPTH] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let text = format!(r#"{{"k":{}1{}}}"#, open.repeat(levels), close.repeat(levels));
            assert_eq!(read(&text, true), read(&text, false));
            assert_eq!(read(&text, true).is_ok(), levels < MAX_DEPTH);
        }
    }
}

#[test]
fn every_field_is_found_where_it_stands() {
    let json = r#" {"files" : [ {"fileId":"a","result" : {"n": [1, {"fileId":"no"}]}, "more":[{}]},
        {}, {"error":null,"url":"u","status":"failed","\u0066ileName":"\ud83d","url":{"last":1}}
        ], "batchId":"b","status":"processed"}"#;
    let answer = parse(json).unwrap();
    let found = |file: &FileShape, field| file.field(field).map(|range| &json[range]);
    let [first, empty, last] = files(&answer) else { panic!("three files") };
    assert_eq!(found(first, Field::FileId), Some(r#""a""#));
    assert_eq!(found(first, Field::Result), Some(r#"{"n": [1, {"fileId":"no"}]}"#));
    assert!(json[first.whole()].starts_with(r#"{"fileId":"a""#));
    assert!(json[first.whole()].ends_with(r#""more":[{}]}"#));
    assert_eq!((&json[empty.whole()], found(empty, Field::Status)), ("{}", None));
    assert_eq!(found(last, Field::Error), Some("null"));
    assert_eq!(found(last, Field::FileName), Some(r#""\ud83d""#));
    assert_eq!(found(last, Field::Url), Some(r#"{"last":1}"#), "the last one counts");
    assert_eq!(found(last, Field::Status), Some(r#""failed""#));
    assert_eq!(last.status.as_deref(), Some("failed"));
    assert!(first.has_outcome() && !last.has_outcome() && !empty.has_outcome());
    let files = &json[answer.shape.list().unwrap()];
    assert!(files.starts_with("[ {") && files.ends_with(']'));
    assert_eq!(answer.shape.status.as_deref(), Some("processed"));
    assert_eq!(parse(r#"{"status":"waiting","files":null}"#).unwrap().shape.list(), None);
}

#[test]
fn what_decides_is_there_once_and_of_its_type() {
    for wrong in [
        r#"{"status":"waiting","status":"processed"}"#,
        r#"{"files":[],"status":"waiting","files":[]}"#,
        r#"{"files":[{"status":"a","st\u0061tus":"b"}]}"#,
        r#"{"files":[{"result":null,"result":{}}]}"#,
        r#"{"files":[{"error":"a","error":"b"}]}"#,
        r#"{"files":[{"status":"\ud83d"}]}"#,
        r#"{"status":"waiting","files":[[]]}"#,
        r#"{"status":"waiting","files":[{},null]}"#,
        r#"{"status":["waiting"]}"#,
        r#"["waiting",[]]"#,
    ] {
        let reason = parse(wrong).unwrap_err();
        assert!(reason.starts_with("JSON of an unexpected shape: "), "{wrong}: {reason}");
    }
    for wrong in [r#"{"status":"waiting"}}"#, r#"{"status":"waiting","a":[1,]}"#, r#"{"files":[{}"#]
    {
        let reason = parse(wrong).unwrap_err();
        assert!(reason.starts_with("not JSON: ") && reason.contains(" at byte "), "{reason}");
    }
}
