//! Documents by chance, compared with the machine's own Node.

mod broken;
mod deliveries;
mod documents;
mod numbers;

use std::collections::BTreeMap;

use extracta_rs::core::javascript::stringify;

use crate::v8;
use documents::{Documents, Kind};

/// How many documents of each kind are compared.
const PLAN: [(Kind, usize); 6] = [
    (Kind::Mixed, 45_000),
    (Kind::Numbers, 60_000),
    (Kind::Strings, 30_000),
    (Kind::Keys, 30_000),
    (Kind::Spaces, 8_000),
    (Kind::Deep, 300),
];
const BROKEN: usize = 25_000;
const MUTATED: usize = 25_000;

#[test]
#[expect(clippy::print_stdout)]
fn two_hundred_thousand_documents_come_out_as_from_node() {
    let mut compared = 0;
    let mut reached = BTreeMap::<_, usize>::new();
    for (seed, (kind, count)) in (1..).zip(PLAN) {
        let mut documents = Documents::new(seed);
        let texts: Vec<_> = (0..count).map(|_| documents.text(kind)).collect();
        let Some(accepted) = compare(&texts) else { return };
        assert_eq!(accepted, count, "{kind:?}: not all are JSON");
        compared += count;
        for (name, count) in documents.reached {
            *reached.entry(name).or_default() += count;
        }
    }
    let mut documents = Documents::new(10);
    let texts: Vec<_> = (0..BROKEN).map(|_| documents.broken()).collect();
    assert_eq!(compare(&texts), Some(0), "broken documents were accepted");
    for name in broken::items() {
        reached.insert(name, documents.reached.get(name).copied().unwrap_or(0));
    }
    let mut documents = Documents::new(11);
    let kinds = [Kind::Mixed, Kind::Numbers, Kind::Strings, Kind::Keys, Kind::Spaces];
    let kinds = kinds.into_iter().cycle().take(MUTATED);
    let texts: Vec<_> = kinds.map(|kind| documents.mutated(kind)).collect();
    let accepted = compare(&texts).unwrap();
    assert!(accepted > MUTATED / 10 && accepted < MUTATED * 9 / 10, "{accepted}");
    compared += BROKEN + MUTATED;
    let items: Vec<_> = documents::items().chain(broken::items()).collect();
    for name in &items {
        let count = reached.get(name).copied().unwrap_or(0);
        assert!(count >= 20, "{name}: reached {count} times");
    }
    assert!(compared >= 200_000);
    println!("{compared} documents compared with Node, 0 differences; {} items", items.len());
    println!("{reached:?}");
}

/// Compares what both make of the documents; tells how many Node accepted.
fn compare<T: AsRef<[u8]>>(texts: &[T]) -> Option<usize> {
    let answers = v8::ask(v8::CANONICAL, texts)?;
    for (text, theirs) in texts.iter().map(AsRef::as_ref).zip(&answers) {
        let ours = stringify(text).ok();
        assert!(
            ours == *theirs,
            "{}\nours:   {}\ntheirs: {}",
            String::from_utf8_lossy(text),
            ours.map_or("refused".into(), |out| String::from_utf8_lossy(&out).into_owned()),
            theirs.as_ref().map_or("refused".into(), |out| String::from_utf8_lossy(out)),
        );
    }
    Some(answers.iter().flatten().count())
}

#[test]
fn bytes_that_are_not_utf8_are_read_by_node_in_several_ways() {
    let texts = [&b"\"a\xffb\""[..], b"[\"\xed\xa0\x80\"]", b"\xef\xbb\xbf[1]"];
    let readings = [
        // Who keeps a `Buffer` and calls `toString`, or gives it to `JSON.parse`.
        (
            "bytes => JSON.stringify(JSON.parse(Buffer.from(bytes).toString()))",
            [Some("\"a\u{fffd}b\""), Some("[\"\u{fffd}\u{fffd}\u{fffd}\"]"), None],
        ),
        // `Response.json`, and the body parsers of Express, Fastify and Koa: a BOM is left out.
        (
            "bytes => JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)))",
            [Some("\"a\u{fffd}b\""), Some("[\"\u{fffd}\u{fffd}\u{fffd}\"]"), Some("[1]")],
        ),
        // Ours.
        (v8::CANONICAL, [None, None, None]),
    ];
    for (reading, expected) in readings {
        let Some(answers) = v8::ask(reading, &texts) else { return };
        let expected = expected.map(|text| text.map(|text| text.as_bytes().to_vec()));
        assert_eq!(answers, expected, "{reading}");
    }
    for text in texts {
        assert!(stringify(text).is_err());
    }
}
