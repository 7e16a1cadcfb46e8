//! JSON as V8 reads and writes it.

mod cases;
mod es6;
mod node;

use extracta_rs::core::javascript::{
    Event, MAX_DEPTH, Reader, Sink, SyntaxError, stringify, stringify_into,
};

fn read(text: &[u8]) -> Result<Vec<Event<'_>>, SyntaxError> {
    let mut reader = Reader::new(text);
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        assert!(reader.start() < reader.offset());
        events.push(event);
    }
    Ok(events)
}

fn shown(text: &str) -> String {
    match read(text.as_bytes()) {
        Ok(events) => events.iter().map(show).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{}: {}", error.offset, error.what),
    }
}

fn show(event: &Event<'_>) -> String {
    match event {
        Event::Null => "null".into(),
        Event::Bool(value) => value.to_string(),
        Event::Number(text) => (*text).into(),
        Event::String(text) => format!("'{}'", String::from_utf8_lossy(&text.decode())),
        Event::Key(text) => format!("{}:", String::from_utf8_lossy(&text.decode())),
        Event::StartArray => "[".into(),
        Event::EndArray => "]".into(),
        Event::StartObject => "{".into(),
        Event::EndObject => "}".into(),
    }
}

#[test]
fn events_come_in_the_order_of_the_text() {
    let text = " {\"a\" : [1,-2.5e+3, null ,true,false, {} ,[]] ,\r\n\t\"b\":\"c\"} ";
    assert_eq!(shown(text), "{ a: [ 1 -2.5e+3 null true false { } [ ] ] b: 'c' }");
    for (text, events) in [("0", "0"), ("\"\"", "''"), ("[]", "[ ]"), (" null ", "null")] {
        assert_eq!(shown(text), events);
    }
}

#[test]
fn what_v8_refuses_is_refused() {
    #[rustfmt::skip]
    let refused = [
        "", " ", "[1,]", "{\"a\":1,}", "[,1]", "{,}", "[1 2]", "[1", "{\"a\"}", "{\"a\":}",
        "{1:2}", "{a:1}", "'a'", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "1.",
        ".5", "1e", "1e+", "0x10", "1_0", "tru", "truex", "nul", "TRUE", "\u{feff}1", "1 2",
        "[1]]", "{}}", "]", "}", "[}", "{]", "\"\t\"", "\"\n\"", "\"\0\"", "\"a", "\"\\x41\"",
        "\"\\u12\"", "\"\\u12g4\"", "\"\\", "\"\\u+123\"", "// a\n1", "/**/1", "undefined",
        "\u{a0}1", "\u{b}1", "[1,,2]", "{\"a\":1 \"b\":2}", "\"a\"b", ",", ":", "{\"a\",1}",
        "--1", "1.e1", "1.5.5",
    ];
    for text in refused {
        assert!(read(text.as_bytes()).is_err(), "accepted: {text:?}");
    }
}

#[test]
fn an_error_tells_where_and_is_given_again() {
    let mut reader = Reader::new(b"[1,x]");
    reader.next_event().unwrap();
    reader.next_event().unwrap();
    let error = SyntaxError { offset: 3, what: "expected a value" };
    assert_eq!(reader.next_event(), Err(error));
    assert_eq!(reader.next_event(), Err(error));
    assert_eq!(error.to_string(), "expected a value at byte 3");
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_breaks() {
    for (text, offset) in [
        (&b"\"a\xff\""[..], 2),
        (b"[\"\xed\xa0\x80\"]", 2),
        (b"\"\xc0\xaf\"", 1),
        (b"1\xe2\x82", 1),
    ] {
        assert_eq!(read(text), Err(SyntaxError { offset, what: "not UTF-8" }));
    }
}

#[test]
fn escapes_become_characters() {
    let decoded = |text: &'static str| match read(text.as_bytes()).unwrap()[..] {
        [Event::String(text)] => (text.plain(), text.decode().into_owned()),
        _ => panic!("not a string: {text}"),
    };
    assert_eq!(decoded(r#""abcdefghijk é""#).0, Some("abcdefghijk é"));
    assert_eq!(decoded(r#""\"\\\/\b\f\n\r\t""#), (None, b"\"\\/\x08\x0c\n\r\t".to_vec()));
    assert_eq!(decoded(r#""a\u0041\u00e9\u20AC!""#).1, "aAé€!".as_bytes());
    assert_eq!(decoded(r#""\ud83d\ude00""#).1, "😀".as_bytes());
    assert_eq!(decoded(r#""\ud83d""#).1, b"\xed\xa0\xbd");
    assert_eq!(decoded(r#""\ude00\ud83d""#).1, b"\xed\xb8\x80\xed\xa0\xbd");
    let joined = ["\u{d7ff}".as_bytes(), b"\xed\xa0\xbd", "😀x".as_bytes()].concat();
    assert_eq!(decoded(r#""\ud7ff\ud83d\ud83d\ude00x""#).1, joined);
    assert_eq!(decoded(r#""\ud83d\u0041""#).1, b"\xed\xa0\xbdA");
    assert_eq!(decoded(r#""\ud83d\n""#).1, b"\xed\xa0\xbd\n");
}

#[test]
fn each_special_byte_is_found_at_each_place() {
    for len in 0..40 {
        for at in 0..len {
            for special in ["\"", "\\", "\u{1f}", "\n", "\0"] {
                let text = format!("\"{}{special}{}\"", "é".repeat(at), "x".repeat(len - at));
                assert!(read(text.as_bytes()).is_err(), "accepted: {text:?}");
            }
            let text = format!("\"{}\\n{}\u{7f}\"", "é".repeat(at), " ".repeat(len - at));
            let decoded = text.replace("\\n", "\n");
            match read(text.as_bytes()).unwrap()[..] {
                [Event::String(text)] => {
                    assert_eq!(text.decode(), decoded.trim_matches('"').as_bytes());
                }
                _ => panic!("not a string: {text}"),
            }
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(read(nested(MAX_DEPTH).as_bytes()).unwrap().len(), 2 * MAX_DEPTH);
    let error = SyntaxError { offset: MAX_DEPTH, what: "nested too deeply" };
    assert_eq!(read(nested(MAX_DEPTH + 1).as_bytes()), Err(error));
    assert_eq!(read("{\"\":".repeat(MAX_DEPTH + 1).as_bytes()).unwrap_err().what, error.what);
}

#[test]
fn every_cut_of_a_text_is_an_error() {
    let text = br#"{"a":[1.5e3,"x\u00e9\n",true,null,{"b":false}]}"#;
    for end in 0..text.len() {
        assert!(read(&text[..end]).is_err());
    }
    assert!(read(text).is_ok());
}

fn canonical(text: &str) -> String {
    let written = stringify(text.as_bytes());
    written.map_or_else(|error| error.to_string(), |out| String::from_utf8_lossy(&out).into())
}

#[test]
fn numbers_are_printed_as_ecmascript_does() {
    let many = "0".repeat(100_000);
    let cases = [
        ("1.0", "1"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("1e21", "1e+21"),
        ("1E20", "100000000000000000000"),
        ("123456789012345678", "123456789012345680"),
        ("9007199254740993", "9007199254740992"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("0.00000012", "1.2e-7"),
        ("1e-7", "1e-7"),
        ("0.1", "0.1"),
        ("-12.50", "-12.5"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1e400", "null"),
        ("-1e99999999999999999999", "null"),
        ("1e-400", "0"),
        ("-1e-400", "0"),
        ("0e99999999999999999999", "0"),
        ("5e-324", "5e-324"),
        ("2.5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("1.7976931348623159e308", "null"),
        (&format!("0.{many}1e100001"), "1"),
        (&format!("-1{many}e-100000"), "-1"),
        (&format!("1{many}"), "null"),
        (&format!("0.{many}"), "0"),
    ];
    for (text, printed) in cases {
        assert_eq!(canonical(text), printed, "{text:.40}");
    }
}

#[test]
fn strings_keep_only_the_escapes_of_v8() {
    let text = r#""\u0022\u005c\/\u0008\u0009\u000a\u000c\u000d\u0001\u001F\u007f\u2028\uD83D\uDE00\uDEAD\ud83d""#;
    let printed = "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\u{7f}\u{2028}😀\\udead\\ud83d\"";
    assert_eq!(canonical(text), printed);
    let long = format!("\"{}\\u0041{}\"", "x".repeat(70_000), "é".repeat(70_000));
    assert_eq!(canonical(&long), long.replace("\\u0041", "A"));
}

#[test]
fn members_are_ordered_as_v8_does() {
    let cases = [
        (r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        (r#"{"b":1,"2":2,"a":3,"10":4,"1":5}"#, r#"{"1":5,"2":2,"10":4,"b":1,"a":3}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
        (r#"{"a":0,"\u0031":1,"1":2}"#, r#"{"1":2,"a":0}"#),
        (
            r#"{"4294967295":1,"4294967294":2,"01":3,"-1":4,"0":5,"1.0":6}"#,
            r#"{"0":5,"4294967294":2,"4294967295":1,"01":3,"-1":4,"1.0":6}"#,
        ),
        (r#"{"__proto__":{"x":1},"a":1,"__proto__":2}"#, r#"{"__proto__":2,"a":1}"#),
        (r#"{"":1,"":2}"#, r#"{"":2}"#),
        // Two keys that `order` gives the same hash.
        (r#"{"ilhanvlqa":1,"dwohvfvhh":2}"#, r#"{"ilhanvlqa":1,"dwohvfvhh":2}"#),
        (
            r#"{"ilhanvlqa":1,"dwohvfvhh":2,"ilhanvlqa":3,"b":4,"dwohvfvhh":5}"#,
            r#"{"ilhanvlqa":3,"dwohvfvhh":5,"b":4}"#,
        ),
        (r#"{"\ud800":1,"\uD800":2}"#, r#"{"\ud800":2}"#),
        (
            r#"[{"a":{"b":[{"z":1,"0":{"y":1,"y":[2, 3]}}],"b":0,"1":{"c":{},"c":[]}}},[{}]]"#,
            r#"[{"a":{"1":{"c":[]},"b":0}},[{}]]"#,
        ),
        (
            r#"{"a":{"b":[{"z":1,"0":{"y":1,"y":[2, 3]}}],"1":{"c":{},"c":[]}},"0":7}"#,
            r#"{"0":7,"a":{"1":{"c":[]},"b":[{"0":{"y":[2,3]},"z":1}]}}"#,
        ),
    ];
    for (text, printed) in cases {
        assert_eq!(canonical(text), printed, "{text}");
        assert_eq!(canonical(printed), printed);
    }
}

#[test]
fn deep_and_large_objects_out_of_order_take_linear_time() {
    let depth = MAX_DEPTH - 1;
    let deep = format!("{}{}", r#"{"a":"#.repeat(depth), "1") + &r#","0":2}"#.repeat(depth);
    let printed = format!("{}1{}", r#"{"0":2,"a":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(canonical(&deep), printed);
    let keys: Vec<_> = (0..100_000).rev().map(|key| format!("\"{key}\":{key}")).collect();
    let sorted: Vec<_> = keys.iter().rev().map(String::as_str).collect();
    assert_eq!(canonical(&format!("{{{}}}", keys.join(","))), format!("{{{}}}", sorted.join(",")));
    assert_eq!(canonical(&format!("{{{}0}}", "\"k\":1,".repeat(100_000) + "\"k\":")), "{\"k\":0}");
}

#[test]
fn a_sink_is_reset_only_where_the_order_was_wrong() {
    struct Counted(usize);
    impl Sink for Counted {
        fn put(&mut self, _bytes: &[u8]) {}
        fn reset(&mut self) {
            self.0 += 1;
        }
    }
    for (text, count) in [("[{\"a\":1,\"b\":2}]", 0), ("[{\"a\":1,\"1\":2}]", 1)] {
        let mut sink = Counted(0);
        stringify_into(text.as_bytes(), &mut sink).unwrap();
        assert_eq!(sink.0, count);
    }
}
