//! That no body, however made, takes more than linear time or more memory than is promised.

use std::process::Command;
use std::time::{Duration, Instant};

use extracta_rs::core::javascript::{MAX_DEPTH, stringify};
use extracta_rs::core::webhook::{Matched, dedupe_keys, sign, verify};

/// Four times the input may take so many times the time: sixteen would be the square.
const FOURFOLD: f64 = 9.0;

type Make = fn(usize) -> String;

/// Texts of about so many bytes.
const WORST: &[(&str, Make)] = &[
    ("one key again and again", |size| object(size / 6, |_| "k".into())),
    ("the empty key again and again", |size| object(size / 5, |_| String::new())),
    ("two keys in turn", |size| object(size / 6, |at| (at % 2).to_string())),
    ("indices, falling", |size| object(size / 12, |at| (9_999_999 - at).to_string())),
    ("other keys, and an index at the end", |size| {
        let last = size / 12;
        object(last, |at| if at + 1 == last { "0".into() } else { format!("k{at}") })
    }),
    ("keys of one hash", |size| {
        let keys = Colliding::new();
        object(size / 240, |at| keys.key(at))
    }),
    ("keys of one hash, each twice", |size| {
        let keys = Colliding::new();
        object(size / 240, |at| keys.key(at / 2))
    }),
    ("many small objects out of order", |size| list(size / 14, "{\"1\":0,\"0\":0}")),
    ("many small objects, each with a twin", |size| list(size / 14, "{\"a\":0,\"a\":0}")),
    ("deep and out of order", |size| {
        let wide = "\"b\":0,".repeat(size / 6 / MAX_DEPTH);
        let depth = MAX_DEPTH - 2;
        format!("{}0{}", format!("{{{wide}\"a\":").repeat(depth), ",\"0\":0}".repeat(depth))
    }),
    ("one long key, escaped, twice", |size| {
        let key = "\\u0061\\n".repeat(size / 16);
        format!("{{\"{key}\":1,\"{key}\":2}}")
    }),
    ("one number of many digits", |size| "7".repeat(size)),
    ("many digits behind the point", |size| format!("0.{}", "3".repeat(size))),
    ("zeros that the exponent takes back", |size| format!("0.{}1e{size}", "0".repeat(size))),
    ("an exponent of many digits", |size| format!("1e{}", "9".repeat(size))),
    ("numbers just above halfway", |size| {
        list(size / 800, &format!("9007199254740993.{}1", "0".repeat(780)))
    }),
    ("escapes", |size| format!("\"{}\"", "\\u00e9\\ud800".repeat(size / 12))),
    ("white space", |size| format!("[{}]", " \n\t\r".repeat(size / 4))),
    ("brackets that do not end", |size| "[".repeat(size)),
    ("many ends of a list", |size| format!("[{}]", "\"]\",".repeat(size / 4) + "0")),
];

fn object(count: usize, key: impl Fn(usize) -> String) -> String {
    let members: Vec<_> = (0..count).map(|at| format!("\"{}\":0", key(at))).collect();
    format!("{{{}}}", members.join(","))
}

fn list(count: usize, element: &str) -> String {
    format!("[{}]", vec![element; count].join(","))
}

/// Everything that is done with a body that nobody has verified, or that a signer made.
fn work(text: &str) {
    let body = format!("{{\"event\":\"a.b\",\"result\":[{text}],\"x\":[{{}}]}}");
    let nobody = [b'A'; 43].iter().copied().chain(*b"=").collect::<Vec<_>>();
    assert!(verify(body.as_bytes(), Some(&nobody), &[b"s"]).unwrap().is_err());
    if let Ok(header) = sign(body.as_bytes(), b"s") {
        verify(body.as_bytes(), Some(header.as_bytes()), &[b"s"]).unwrap().unwrap();
        let file = format!("[{{\"fileId\":{text},\"result\":{text}}}]");
        assert_eq!(dedupe_keys(file.as_bytes()).unwrap().len(), 1);
    }
}

#[test]
fn the_worst_bodies_take_linear_time() {
    for (name, make) in WORST {
        let texts = [make(100_000), make(400_000)];
        let time = |text: &String| {
            let start = Instant::now();
            work(text);
            start.elapsed().max(Duration::from_millis(5))
        };
        // The machine may have been busy with something else.
        let ratio = || time(&texts[1]).as_secs_f64() / time(&texts[0]).as_secs_f64();
        let linear = (0..5).any(|_| ratio() < FOURFOLD);
        assert!(linear, "{name}: {} and {} bytes", texts[0].len(), texts[1].len());
    }
}

#[test]
fn a_number_of_a_million_digits_is_rounded_right() {
    let zeros = "0".repeat(1_000_000);
    for (text, printed) in [
        (format!("1{zeros}e-1000000"), "1"),
        (format!("9007199254740993.{zeros}"), "9007199254740992"),
        (format!("9007199254740993.{zeros}1"), "9007199254740994"),
        (format!("1{zeros}"), "null"),
        (format!("1e-1{zeros}"), "0"),
    ] {
        assert_eq!(stringify(text.as_bytes()).unwrap(), printed.as_bytes());
    }
}

/// Keys to which `order::hash` gives the same value: at each of some places either of two blocks
/// of sixteen bytes may stand, after which the sum is the same.
struct Colliding(Vec<[String; 2]>);

impl Colliding {
    const ODD: u64 = 0x517c_c1b7_2722_0a95;
    const PLACES: usize = 14;

    fn new() -> Self {
        let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(Self::ODD);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut sum = Self::PLACES as u64 * 16 + 8;
        let mut places = Vec::new();
        let is_text = |word: u64| {
            word.to_le_bytes()
                .iter()
                .all(|byte| (0x20..0x7f).contains(byte) && !b"\"\\".contains(byte))
        };
        let word = |rng: &mut fastrand::Rng| {
            u64::from_le_bytes(std::array::from_fn(|_| rng.u8(b'a'..=b'z')))
        };
        while places.len() < Self::PLACES {
            let (first, second) = (word(&mut rng), word(&mut rng));
            let other = word(&mut rng);
            // What has to follow the other first word, so that the sums meet.
            let meeting = mix(sum, first).rotate_left(5) ^ second ^ mix(sum, other).rotate_left(5);
            if other == first || !is_text(meeting) {
                continue;
            }
            let block = |words: [u64; 2]| {
                let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                String::from_utf8(bytes).unwrap()
            };
            places.push([block([first, second]), block([other, meeting])]);
            sum = mix(mix(sum, first), second);
        }
        Self(places)
    }

    fn key(&self, number: usize) -> String {
        assert!(number < 1 << Self::PLACES);
        let blocks = self.0.iter().enumerate().map(|(place, blocks)| &*blocks[number >> place & 1]);
        blocks.chain(["the tail"]).collect()
    }
}

/// A large body, how it is found to be signed, and how many bytes it may take beside itself.
struct Large {
    name: &'static str,
    body: fn() -> String,
    matched: Matched,
    most: usize,
}

const MIB: usize = 1 << 20;
/// 100 MB where it is quick.
const SIZE: usize = if cfg!(debug_assertions) { 5_000_000 } else { 100_000_000 };

const LARGE: [Large; 6] = [
    Large {
        name: "as it was signed, result last",
        body: || format!("{{\"event\":\"a.b\",\"result\":{}}}", list(SIZE / 50, FILE)),
        matched: Matched::Raw,
        most: 2 * MIB,
    },
    Large {
        name: "as it was signed, result in the middle",
        body: || {
            let list = list(SIZE / 100, FILE);
            format!("{{\"a\":{list},\"result\":{list},\"event\":\"a.b\"}}")
        },
        matched: Matched::Raw,
        most: 2 * MIB,
    },
    Large {
        name: "with spaces",
        body: || format!("{{\"event\":\"a.b\",\"result\":{}}}", list(SIZE / 57, SPACED_FILE)),
        matched: Matched::Canonical,
        most: 2 * MIB,
    },
    Large {
        name: "with each object out of order",
        body: || format!("{{\"result\":{}}}", list(SIZE / 14, "{\"1\":0,\"0\":0}")),
        matched: Matched::Canonical,
        most: 5 * SIZE,
    },
    Large {
        name: "one object of the same empty key",
        body: || format!("{{\"result\":[{}]}}", object(SIZE / 5, |_| String::new())),
        matched: Matched::Canonical,
        most: 5 * SIZE,
    },
    Large {
        name: "one object of falling indices",
        body: || {
            format!("{{\"result\":[{}]}}", object(SIZE / 12, |at| (9_999_999 - at).to_string()))
        },
        matched: Matched::Canonical,
        most: 5 * SIZE,
    },
];

const FILE: &str = "{\"fileId\":\"f\",\"result\":{\"total\":12.5,\"n\":\"Łódź\"}}";
const SPACED_FILE: &str = "{\"fileId\": \"f\", \"result\": {\"total\": 12.50, \"n\": \"Łódź\"}}";

/// Of each in a process of its own, since the peak of the memory is the whole process's.
#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout)]
fn large_bodies_take_bounded_memory() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/large-body.json");
    for (place, large) in LARGE.iter().enumerate() {
        // Not made by the child, whose freed memory would serve for what is measured.
        std::fs::write(path, (large.body)()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        let test = "limits::the_child_takes_bounded_memory";
        child.args(["--ignored", "--exact", test, "--nocapture"]);
        child.env("EXTRACTA_TESTS_LARGE", format!("{place} {path}"));
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", large.name);
        let peak = said.lines().find_map(|line| line.split_once("peak: "));
        println!("{}: {}", large.name, peak.expect("the child ran").1);
    }
    std::fs::remove_file(path).unwrap();
}

/// Run by the test above.
#[test]
#[ignore = "started by another test"]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout)]
fn the_child_takes_bounded_memory() {
    let Ok(told) = std::env::var("EXTRACTA_TESTS_LARGE") else { return };
    let (place, path) = told.split_once(' ').unwrap();
    let large = &LARGE[place.parse::<usize>().unwrap()];
    let body = std::fs::read(path).unwrap();
    assert!(body.len() > SIZE * 9 / 10, "{} bytes", body.len());
    // So that the code itself is in memory.
    work("[{\"b\":1.0,\"0\":\"\\u0061\",\"b\":2}]");
    let (header, signing) = measure(|| sign(&body, b"s").unwrap());
    let (verified, verifying) =
        measure(|| verify(&body, Some(header.as_bytes()), &[b"s"]).unwrap().unwrap());
    assert_eq!(verified.matched, large.matched);
    let peak = signing.max(verifying);
    println!("peak: {} KiB for {} bytes", peak / 1024, body.len());
    assert!(peak <= large.most, "{peak} bytes, not {}", large.most);
}

/// The most memory that `work` needs beyond what is in use when it starts, in bytes.
#[cfg(target_os = "linux")]
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let status = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    // Makes the peak what is in use now.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let made = work();
    (made, status("VmHWM:").saturating_sub(before))
}
