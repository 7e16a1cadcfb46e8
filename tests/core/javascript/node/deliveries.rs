//! Deliveries that Node signs, and the same ones tampered with.

use extracta_rs::core::javascript::stringify;
use extracta_rs::core::webhook::{Matched, verify};

use super::documents::{Documents, Kind};
use crate::v8;

const COUNT: usize = 12_000;

/// The header, a space, and what was signed; throws where nothing is.
const SIGN: &str = "bytes => {
    const body = parse(bytes);
    const message = JSON.stringify(Array.isArray(body) ? body : body.result);
    return createHmac('sha256', 'secret').update(message).digest('base64') + ' ' + message;
}";

/// `@` is any value.
#[rustfmt::skip]
const LAYOUTS: &[(&str, &[&str])] = &[
    ("result last", &["{\"event\":\"extraction.processed\",\"result\":@}"]),
    ("result first", &["{\"result\":@,\"event\":\"a.b\"}", "{\"result\":@ ,\"z\":[@]}"]),
    ("result in the middle", &["{ \"x\" : @, \"result\" : @ ,\n\"event\":null,\"y\":{\"b\":@}}"]),
    ("result twice", &[
        "{\"result\":@,\"event\":\"a.b\",\"result\":@}",
        "{\"result\":@,\"result\":@}",
        "{\"result\":[1],\"result\":@,\"result\":@,\"x\":@}",
    ]),
    ("result spelt with escapes", &[
        "{\"\\u0072esult\":@}",
        "{\"result\":@,\"resul\\u0074\":@}",
        "{\"r\\u0065sult\":@,\"event\":\"a.b\",\"result\":@}",
        "{\"result\":@,\"event\":\"e\",\"\\u0072\\u0065\\u0073\\u0075\\u006C\\u0074\":@}",
    ]),
    ("names that are nearly result", &[
        "{\"results\":@,\"Result\":@,\"result\":@,\"result \":@,\"resul\":@,\"\":@}",
        "{\"result\":@,\"result\\u0000\":@,\"resu\\\\u006ct\":@}",
    ]),
    ("nested result keys", &[
        "{\"event\":{\"result\":@},\"result\":@}",
        "{\"result\":{\"result\":@},\"x\":[{\"result\":@}]}",
        "{\"result\":[{\"fileId\":\"f\",\"result\":@}],\"more\":{\"result\":@}}",
    ]),
    ("result within strings", &[
        "{\"x\":\"\\\"result\\\":1,\",\"result\":@,\"y\":\"],\\\"result\\\":[2]\"}",
        "{\"result\":[\"]}\",@],\"event\":\"\\\"result\\\":[]\"}",
    ]),
    ("legacy lists", &["[@]", " [@,\n{\"result\":@}] ", "[{\"fileId\":\"f\",\"result\":@}]\n", "[]"]),
    ("legacy objects", &["{\"result\":@}", "{ \"result\": [@ , @] }\r\n"]),
    ("no result", &["{\"event\":@}", "{}", "@", "{\"x\":{\"result\":@}}", "\"result\"", "null"]),
];

struct Delivery {
    body: Vec<u8>,
    tampered: Vec<u8>,
}

#[test]
#[expect(clippy::print_stdout)]
fn deliveries_that_node_signs_are_verified_and_tampered_ones_are_not() {
    let mut documents = Documents::new(20);
    let deliveries: Vec<_> = (0..COUNT).map(|_| delivery(&mut documents)).collect();
    let originals: Vec<_> = deliveries.iter().map(|delivery| &delivery.body).collect();
    let tampered: Vec<_> = deliveries.iter().map(|delivery| &delivery.tampered).collect();
    let Some(signed) = v8::ask(SIGN, &originals) else { return };
    let Some(signed_again) = v8::ask(SIGN, &tampered) else { return };
    let mut counts = [0; 4];
    for (delivery, (first, second)) in deliveries.iter().zip(signed.iter().zip(&signed_again)) {
        let Some((header, message)) = first.as_ref().map(|answer| answer.split_at(44)) else {
            counts[0] += 1;
            let refusal = verify(&delivery.body, Some(&[b'A'; 44]), &[b"secret"]).unwrap();
            assert!(refusal.is_err());
            continue;
        };
        let show = || String::from_utf8_lossy(&delivery.body).into_owned();
        let verified = verify(&delivery.body, Some(header), &[b"secret"]).unwrap();
        let verified = verified.unwrap_or_else(|refusal| panic!("{refusal}: {}", show()));
        let slice = &delivery.body[verified.signed];
        assert_eq!(stringify(slice).unwrap(), &message[1..], "{}", show());
        assert_eq!(slice == &message[1..], verified.matched == Matched::Raw, "{}", show());
        counts[if verified.matched == Matched::Raw { 1 } else { 2 }] += 1;
        // What was changed may still be the same JSON, or change what is not signed.
        let same = second.as_ref() == first.as_ref();
        let accepted = verify(&delivery.tampered, Some(header), &[b"secret"]).unwrap().is_ok();
        assert_eq!(accepted, same, "{}", String::from_utf8_lossy(&delivery.tampered));
        counts[3] += usize::from(!same);
    }
    for (name, _) in LAYOUTS {
        assert!(documents.reached.get(name).is_some_and(|&count| count > 500), "{name}");
    }
    let [unsigned, raw, canonical, refused] = counts;
    assert!(unsigned > 500 && raw > 1_000 && canonical > 4_000 && refused > 5_000, "{counts:?}");
    println!("{raw} raw and {canonical} canonical deliveries, {refused} tampered: as from Node");
}

fn delivery(documents: &mut Documents) -> Delivery {
    let (name, layouts) = documents.pick(LAYOUTS);
    documents.count(name);
    let layout = documents.pick(layouts);
    let mut body = String::new();
    for piece in layout.split_inclusive('@') {
        body.push_str(piece.trim_end_matches('@'));
        if piece.ends_with('@') {
            let value = documents.text(Kind::Mixed);
            let canonical = documents.rng.bool().then(|| stringify(value.as_bytes()).unwrap());
            body += &canonical.map_or(value, |canonical| String::from_utf8(canonical).unwrap());
        }
    }
    let mut tampered = body.clone().into_bytes();
    let at = documents.rng.usize(..tampered.len());
    match documents.rng.u8(..3) {
        0 => tampered[at] ^= 1 << documents.rng.u8(..8),
        1 => drop(tampered.remove(at)),
        _ => {
            let byte = documents.pick(b" \n\"\\,:{}[]019-.ea");
            tampered.insert(at, byte);
        }
    }
    Delivery { body: body.into_bytes(), tampered }
}
