//! Headers of the user's, and what may be shown of a service's.

use extracta_rs::core::headers::Headers;
use extracta_rs::core::key::ApiKey;
use extracta_rs::core::observe::shown;

const SECRET: &str = "SECRET-VALUE-321";

fn names(headers: &Headers) -> Vec<String> {
    headers.iter().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn the_last_of_two_headers_of_one_name_counts() {
    let headers = Headers::new([("X-A", "1"), ("x-b", "2"), ("x-a", "3")]).unwrap();
    assert_eq!(names(&headers), ["x-b", "x-a"]);
    let values: Vec<_> = headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
    assert_eq!(values, ["2", "3"]);
    assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
}

#[test]
fn what_the_client_writes_itself_is_refused_however_it_is_written() {
    for name in ["authorization", "AUTHORIZATION", "Content-Type", "hOsT", "Transfer-Encoding"] {
        let error = Headers::new([("x-a", "1"), (name, SECRET)]).unwrap_err().to_string();
        assert!(error.starts_with("headers: "), "{error}");
        assert!(error.contains(&name.to_lowercase()) && !error.contains(SECRET), "{error}");
    }
}

#[test]
fn values_are_in_no_error_and_no_debug_output() {
    for value in [format!("{SECRET}\r\nx-evil: 1"), format!("{SECRET}\0"), format!("{SECRET}é")] {
        let error = Headers::new([("x-a", value.as_str())]).unwrap_err().to_string();
        assert!(error.contains("x-a") && !error.contains(SECRET), "{error}");
    }
    let debug = format!("{:?}", Headers::new([("x-a", SECRET)]).unwrap());
    assert!(debug.contains("x-a") && !debug.contains(SECRET), "{debug}");
}

#[test]
fn what_may_be_secret_in_an_answer_is_hidden() {
    let key = ApiKey::new(SECRET).unwrap();
    assert_eq!(shown("set-cookie", b"session=1", &key), "***");
    assert_eq!(shown("location", b"https://a/?signature=1", &key), "***");
    assert_eq!(shown("x-echo", format!("Bearer {SECRET}").as_bytes(), &key), "Bearer ***");
    assert_eq!(shown("x-odd", b"\xff\x00", &key), "\u{fffd}\0");
    assert_eq!(shown("x-long", &vec![b'a'; 100_000], &key).len(), 256);
}
