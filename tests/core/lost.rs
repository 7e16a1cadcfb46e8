//! The journal's steps, and what is concluded of an upload whose answer was lost.

use std::collections::HashSet;
use std::path::PathBuf;

use extracta_rs::core::error::Error;
use extracta_rs::core::journal::{Journal, NewDocument, State};
use extracta_rs::core::model::{Kind, Target};
use extracta_rs::core::run::look::{Candidate, Open, Verdict, confirm, decide, names};

fn target() -> Target {
    Target { kind: Kind::Extraction, id: "-Ox".to_owned() }
}

fn document(name: &str) -> NewDocument {
    NewDocument { name: name.to_owned(), sha256: format!("{name}-hash"), size: 7, path: None }
}

/// A folder that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
        let place = std::env::temp_dir().join(format!("extracta-journal-{name}"));
        std::fs::create_dir(&place).unwrap();
        Self(place)
    }

    fn open(&self) -> Journal {
        Journal::open(&self.0.join("journal"), true).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn admitted(journal: &Journal, names: &[&str]) -> Vec<i64> {
    let news: Vec<_> = names.iter().map(|name| document(name)).collect();
    let admitted = journal.admit(&target(), &news).unwrap();
    admitted.into_iter().map(|admitted| admitted.document).collect()
}

#[test]
fn a_document_is_claimed_once() {
    let place = Place::new();
    let (first, second) = (place.open(), place.open());
    let documents = admitted(&first, &["a", "b", "c"]);
    assert_eq!(admitted(&second, &["a", "b", "c"]), documents);
    let (one, other) = (first.begin().unwrap(), second.begin().unwrap());
    let claim = first.claim(&one, &target(), &documents[..2]).unwrap();
    assert_eq!(claim.documents, documents[..2]);
    let row = claim.row.unwrap();
    let later = second.claim(&other, &target(), &documents).unwrap();
    assert_eq!(later.documents, documents[2..]);
    assert_eq!(later.taken, [(documents[0], row), (documents[1], row)]);
    let last = first.claim(&one, &target(), &documents).unwrap();
    assert_eq!((last.row, last.taken.len()), (None, 3));
}

#[test]
fn what_a_living_run_sends_is_not_taken_over_and_what_a_dead_one_sent_is() {
    let place = Place::new();
    let journal = place.open();
    let documents = admitted(&journal, &["a"]);
    let (sender, seeker) = (journal.begin().unwrap(), journal.begin().unwrap());
    let row = journal.claim(&sender, &target(), &documents).unwrap().row.unwrap();
    assert_eq!(journal.take_over(&seeker, &target()).unwrap(), []);
    assert_eq!(journal.take_over_one(&seeker, row).unwrap(), None);
    drop(sender);
    let taken = journal.take_over(&seeker, &target()).unwrap();
    assert_eq!((taken.len(), taken[0].row, taken[0].state), (1, row, State::Lost));
    assert!(taken[0].lost_at.is_some());
    let third = journal.begin().unwrap();
    assert_eq!(journal.take_over_one(&third, row).unwrap(), None);
    // The file of the dead one is gone, those of the living are there.
    let left = std::fs::read_dir(&place.0).unwrap();
    let runs = left
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("-run-"));
    assert_eq!(runs.count(), 2);
}

#[test]
fn an_unknown_upload_is_sought_again_by_the_next_run_and_freed_by_a_person() {
    let place = Place::new();
    let journal = place.open();
    let documents = admitted(&journal, &["a", "b"]);
    let run = journal.begin().unwrap();
    let row = journal.claim(&run, &target(), &documents).unwrap().row.unwrap();
    journal.lost(row, "reset").unwrap();
    journal.unknown(row, "nobody can tell").unwrap();
    assert_eq!(journal.take_over_one(&run, row).unwrap(), None);
    assert_eq!(journal.counts().unwrap().unknown, 2);
    assert!(!journal.keep_others(&target(), &["-B".to_owned()]).unwrap());
    assert_eq!(journal.retry_unknown().unwrap(), 2);
    assert_eq!(journal.counts().unwrap().planned, 2);
    assert!(journal.claim(&run, &target(), &documents).unwrap().row.is_some());
}

#[test]
fn the_first_results_of_a_batch_stay() {
    let place = Place::new();
    let journal = place.open();
    let documents = admitted(&journal, &["a"]);
    let run = journal.begin().unwrap();
    let row = journal.claim(&run, &target(), &documents).unwrap().row.unwrap();
    journal.uploaded(row, "-B", Some(b"{}")).unwrap();
    assert_eq!(journal.witnesses(&target()).unwrap().running, ["-B"]);
    journal.finished(row, b"first").unwrap();
    journal.finished(row, b"second").unwrap();
    assert_eq!(journal.results(row).unwrap().unwrap(), b"first");
    assert_eq!(journal.witnesses(&target()).unwrap().finished, ["-B"]);
    journal.check().unwrap();
}

#[test]
fn two_rows_never_hold_one_batch() {
    let place = Place::new();
    let journal = place.open();
    let documents = admitted(&journal, &["a", "b"]);
    let run = journal.begin().unwrap();
    let first = journal.claim(&run, &target(), &documents[..1]).unwrap().row.unwrap();
    let second = journal.claim(&run, &target(), &documents[1..]).unwrap().row.unwrap();
    journal.uploaded(first, "-B", None).unwrap();
    let refused = journal.uploaded(second, "-B", None);
    assert!(matches!(refused, Err(Error::Journal { .. })));
    assert_eq!(journal.intent(second).unwrap().unwrap().state, State::Uploading);
}

#[test]
fn a_newer_file_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    let path = place.0.join("journal");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let Err(Error::Journal { reason, .. }) = Journal::open(&path, true) else { panic!("opened") };
    assert!(reason.contains("newer release (version 99)"), "{reason}");
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names
}

fn open(row: i64, names: &[&str]) -> Open {
    Open { row, names: sorted(names) }
}

fn candidate(batch_id: &str, names: &[&str]) -> Candidate {
    Candidate { batch_id: batch_id.to_owned(), names: Some(sorted(names)) }
}

#[test]
fn only_what_can_be_nothing_else_is_found_and_only_what_cannot_be_there_is_absent() {
    let lost = open(1, &["a", "b", "c"]);
    let other = open(2, &["d", "e", "f"]);
    let twin = open(3, &["a", "b", "c"]);
    let (found, absent) = (Verdict::Found("X".to_owned()), Verdict::Absent);
    let unread = Candidate { batch_id: "X".to_owned(), names: None };
    let x = |names: &[&str]| vec![candidate("X", names)];
    let table: [(&str, Vec<Open>, Vec<Candidate>, Verdict); 13] = [
        ("nothing is there", vec![], vec![], absent.clone()),
        ("its names", vec![], x(&["c", "a", "b"]), found.clone()),
        (
            "its names twice",
            vec![],
            [x(&["a", "b", "c"]), x(&["a", "b", "c"])].concat(),
            Verdict::Undecided,
        ),
        ("its names, and a twin of it", vec![twin], x(&["a", "b", "c"]), Verdict::Undecided),
        (
            "its names beside another's",
            vec![other.clone()],
            [x(&["a", "b", "c"]), vec![candidate("Y", &["d", "e", "f"])]].concat(),
            found,
        ),
        ("another's names", vec![other], x(&["d", "e", "f"]), absent.clone()),
        ("what cannot be read yet", vec![], vec![unread], Verdict::NotYet),
        ("as many, renamed", vec![], x(&["1", "2", "3"]), Verdict::Undecided),
        ("more, as of a split file", vec![], x(&["1", "2", "3", "4"]), Verdict::Undecided),
        ("some of its names", vec![], x(&["a", "b"]), Verdict::Undecided),
        ("some of its names and others", vec![], x(&["a", "q"]), Verdict::Undecided),
        ("fewer, and none of its names", vec![], x(&["p", "q"]), absent.clone()),
        ("fewer, several", vec![], [x(&["p"]), x(&["q"])].concat(), absent),
    ];
    for (what, rivals, candidates, expected) in table {
        let all = [vec![lost.clone()], rivals].concat();
        assert_eq!(decide(&lost, &all, &candidates), expected, "{what}");
    }
}

#[test]
fn a_listing_that_leaves_out_what_is_there_proves_no_absence() {
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let listed: HashSet<_> = ids(&["R", "F"]).into_iter().collect();
    let sure = |running: &[&str], finished: &[&str]| {
        confirm(Verdict::Absent, &listed, &ids(running), &ids(finished))
    };
    assert_eq!(sure(&[], &[]), Verdict::Absent);
    assert_eq!(sure(&["R"], &["F", "deleted"]), Verdict::Absent);
    assert_eq!(sure(&["R", "late"], &["F"]), Verdict::NotYet);
    assert_eq!(sure(&["R"], &["deleted"]), Verdict::Undecided);
    let found = Verdict::Found("X".to_owned());
    assert_eq!(confirm(found.clone(), &listed, &ids(&["late"]), &[]), found);
}

#[test]
fn names_are_only_told_where_all_are() {
    let told = |json: &str| names(json.as_bytes());
    assert_eq!(
        told(r#"{"files": [{"fileName": "b"}, {"fileName": "a"}]}"#),
        Some(sorted(&["a", "b"]))
    );
    for json in [
        r#"{"files": []}"#,
        r#"{"files": [{"fileName": "a"}, {}]}"#,
        r#"{"files": [{"fileName": null}]}"#,
        r#"{"status": "waiting"}"#,
        r#"{"files": "a"}"#,
        "[]",
        "",
    ] {
        assert_eq!(told(json), None, "{json}");
    }
}
