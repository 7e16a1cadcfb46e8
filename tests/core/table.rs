//! Tables without Python: a small source of values stands for its objects.

use extracta_rs::core::table::{
    Chunk, Each, Kind, LEADING, Node, Rows, Text, Value, batch, header, lines, schema,
};
use serde_json::{Value as Json, json};

#[derive(Clone)]
struct Source(Json);

impl Node for Source {
    type Error = ();

    fn is_null(&self) -> bool {
        self.0.is_null()
    }

    fn is_object(&self) -> bool {
        self.0.is_object()
    }

    fn elements(&self) -> Option<Vec<Self>> {
        Some(self.0.as_array()?.iter().cloned().map(Self).collect())
    }

    fn members(&self, each: &mut Each<'_, Self>) -> Result<(), ()> {
        let mut members = self.0.as_object().into_iter().flatten();
        members.try_for_each(|(key, value)| each(key.as_bytes(), Self(value.clone())))
    }
}

fn text(text: &str) -> Value {
    Value::Text(Text::Plain(text.into()))
}

fn half(text: &str) -> Text {
    Text::of([text.as_bytes(), &[0xed, 0xa0, 0xbd]].concat())
}

fn own() -> [Source; 6] {
    LEADING.map(|name| Source(json!(name)))
}

fn names(rows: &Rows) -> Vec<&str> {
    rows.columns().into_iter().skip(LEADING.len()).map(|(_, name)| name).collect()
}

#[test]
fn columns_stand_as_they_are_met_and_names_are_never_shared() {
    let mut rows = Rows::new(true, None, &[b"asked".to_vec()]);
    let file = json!({"a": {"b": 1, "": 2}, "a.b": 3, "status": 4, "": 5, "n\0": 6, "later": null});
    let [row] = &rows.file(own(), Source(file)).unwrap()[..] else { panic!("one row") };
    assert_eq!(
        row.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]
    );
    let expected =
        ["asked", "a.b", "a.", "a.b_2", "result.status", "result.", "n\u{fffd}", "later"];
    assert_eq!(names(&rows), expected);
    rows.file(own(), Source(json!({"later": {"x": 1}}))).unwrap();
    assert_eq!(names(&rows).last(), Some(&"later.x"));
    assert!(!names(&rows).contains(&"later"));
}

#[test]
fn an_array_becomes_rows() {
    let mut rows = Rows::new(true, Some(b"o.l".to_vec()), &[]);
    let count = |rows: &mut Rows, file| rows.file(own(), Source(file)).unwrap().len();
    assert_eq!(count(&mut rows, json!({"o": {"l": [1, {"x": 2}, null]}})), 3);
    assert_eq!(count(&mut rows, json!({"o": {"l": []}})), 1);
    assert_eq!(count(&mut rows, json!({"o": {"l": "alone"}})), 1);
    assert_eq!(count(&mut rows, json!("no object")), 1);
    assert_eq!(names(&rows), ["o.l", "o.l.x", "result"]);
}

fn kind(values: &[Value]) -> Kind {
    let mut kind = Kind::None;
    for value in values {
        kind.absorb(value);
    }
    kind
}

#[test]
fn the_order_of_values_does_not_change_a_kind() {
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(1),
        Value::Int(1 << 60),
        Value::Float(0.5),
        text("t"),
        Value::Text(half("t")),
        Value::Big("9".repeat(30).into()),
        Value::List(vec![]),
        Value::List(vec![Value::Int(1)]),
        Value::List(vec![text("t")]),
        Value::Object(vec![]),
        Value::Object(vec![(Text::Plain("a".into()), Value::Int(1))]),
        Value::Json(Text::Plain("[]".into())),
    ];
    for one in &values {
        for other in &values {
            for third in &values {
                let [one, other, third] = [one, other, third].map(Clone::clone);
                let forth = kind(&[one.clone(), other.clone(), third.clone()]);
                assert_eq!(forth, kind(&[third, other, one]));
            }
        }
    }
    assert_eq!(kind(&[Value::Int(1), Value::Float(0.5)]), Kind::Float);
    assert_eq!(kind(&[Value::Int(1 << 60), Value::Float(0.5)]), Kind::Mixed);
    assert_eq!(kind(&[Value::Null]), Kind::None);
}

#[test]
fn numbers_and_texts_are_spelt_as_python_does() {
    let spelt = |value: Value| value.to_json().escaped().into_owned();
    for (value, expected) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e16, "1e+16"),
        (123_456_789_012_345.6, "123456789012345.6"),
        (1e15, "1000000000000000.0"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e300, "1.5e+300"),
        (f64::INFINITY, "null"),
        (f64::NAN, "null"),
    ] {
        assert_eq!(spelt(Value::Float(value)), expected);
    }
    assert_eq!(
        spelt(text("\"\\\u{1}\n\r\t\u{8}\u{c}\u{7f}ü")),
        "\"\\\"\\\\\\u0001\\n\\r\\t\\b\\f\u{7f}ü\""
    );
    let odd = Value::List(vec![Value::Text(half("a")), Value::Null]);
    assert_eq!(odd.to_json().escaped(), "[\"a\\ud83d\",null]");
    assert_eq!(odd.to_json().lossy(), "[\"a\u{fffd}\",null]");
    let pair = Text::of(b"\xed\xa0\xbd\xed\xb8\x80\xff".to_vec());
    assert_eq!(pair.lossy(), "\u{1f600}\u{fffd}");
}

#[test]
fn a_portion_is_written_and_read_and_becomes_arrow_and_csv() {
    let row = |first: Value, second| [(0, first), (2, second)];
    let mut chunk = Chunk::default();
    chunk.add(row(text("=1+1"), Value::List(vec![Value::Int(1), Value::Float(0.5)])));
    chunk.add([(1, Value::Float(f64::INFINITY))]);
    chunk.add(row(Value::Int(-5), Value::Null));
    let again = || Chunk::read(&chunk.write().unwrap()).unwrap();
    assert!(Chunk::read(&chunk.write().unwrap()[..9]).is_err());
    let written = [header(&["a", "b", "c"], true), lines(&again(), &[0, 1, 2], true)].concat();
    let written = String::from_utf8(written).unwrap();
    assert_eq!(written, "\u{feff}a,b,c\r\n'=1+1,,\"[1,0.5]\"\r\n,null,\r\n-5,,\r\n");
    let kinds = [Kind::Mixed, Kind::Float, Kind::List(Box::new(Kind::Float)), Kind::None];
    let columns = ["a", "b", "c", "d"].into_iter().zip(&kinds);
    let places = kinds.iter().enumerate().collect::<Vec<_>>();
    let made = batch(schema(columns), again(), &places).unwrap();
    assert_eq!((made.num_rows(), made.num_columns()), (3, 4));
    let nulls = made.columns().iter().map(|column| column.null_count()).collect::<Vec<_>>();
    assert_eq!(nulls, [1, 2, 2, 3]);
}
