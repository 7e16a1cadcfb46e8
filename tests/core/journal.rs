//! The journal's states and transitions, an older file, and what is said of lost uploads.

use std::path::PathBuf;

use extracta_rs::core::journal::{Journal, NewDocument, State};
use extracta_rs::core::model::{Kind, Target};
use extracta_rs::core::poll::listing::listed;
use extracta_rs::core::run::look::{Candidate, Open, Verdict, decide, names};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn fresh(name: &str) -> Result<(PathBuf, Journal), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("journal-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let journal = Journal::open(&folder.join("j"), true)?;
    Ok((folder, journal))
}

fn target() -> Target {
    Target { kind: Kind::Extraction, id: "-Ox".to_owned() }
}

fn document(name: &str) -> NewDocument {
    NewDocument { name: name.to_owned(), sha256: "00".to_owned(), size: 4, path: None }
}

fn state(journal: &Journal, row: i64) -> Option<State> {
    journal.intent(row).ok().flatten().map(|intent| intent.state)
}

#[test]
fn a_batch_lives_through_its_states() -> Outcome {
    let (folder, journal) = fresh("states")?;
    let target = target();
    let admitted = journal.admit(&target, &[document("a"), document("b")])?;
    let ids: Vec<_> = admitted.iter().map(|admitted| admitted.document).collect();
    let owner = journal.begin()?;
    let claim = journal.claim(&owner, &target, &ids)?;
    let row = claim.row.ok_or("nothing claimed")?;
    assert_eq!((state(&journal, row), claim.documents), (Some(State::Uploading), ids.clone()));

    // Another run takes nothing of a living one, all of a dead one.
    let other = journal.begin()?;
    assert_eq!(journal.claim(&other, &target, &ids)?.taken.len(), 2);
    assert!(journal.take_over(&other, &target)?.is_empty());
    assert!(!journal.keep_others(&target, &["-Ostranger".to_owned()])?);
    drop(owner);
    assert_eq!(journal.take_over(&other, &target)?.len(), 1);
    assert_eq!(state(&journal, row), Some(State::Lost));

    journal.unknown(row, "why")?;
    assert_eq!((journal.counts()?.unknown, journal.retry_unknown()?), (2, 2));
    assert_eq!(state(&journal, row), Some(State::Released));

    let row = journal.claim(&other, &target, &ids)?.row.ok_or("nothing claimed")?;
    journal.uploaded(row, "-Ob", None)?;
    assert!(journal.keep_others(&target, &["-Ob".to_owned(), "-Oother".to_owned()])?);
    assert!(!journal.retry_document(ids[0], "-Ob")?, "it is in processing");
    journal.finished(row, b"{\"n\":1.50}")?;
    journal.finished(row, b"later")?;
    assert_eq!(journal.results(row)?.as_deref(), Some(&b"{\"n\":1.50}"[..]));
    assert!(journal.retry_document(ids[0], "-Ob")?);
    assert_eq!((journal.counts()?.finished, journal.counts()?.planned), (1, 1));
    journal.check()?;
    drop((journal, other));
    Ok(std::fs::remove_dir_all(folder)?)
}

#[test]
fn files_of_killed_runs_are_swept() -> Outcome {
    let (folder, journal) = fresh("sweep")?;
    std::fs::write(folder.join("j-run-dead"), "")?;
    let (one, two) = (journal.begin()?, journal.begin()?);
    assert!(!folder.join("j-run-dead").exists());
    assert!([&one, &two].iter().all(|o| folder.join(format!("j-run-{}", o.name())).exists()));
    drop((one, two, journal));
    Ok(std::fs::remove_dir_all(folder)?)
}

#[test]
fn a_template_keeps_the_extraction_that_was_first() -> Outcome {
    let (folder, journal) = fresh("templates")?;
    assert_eq!(journal.template("d")?, None);
    assert_eq!(journal.keep_template("d", "-Oa")?, "-Oa");
    assert_eq!(journal.keep_template("d", "-Ob")?, "-Oa");
    assert_eq!(journal.template("d")?.as_deref(), Some("-Oa"));
    assert_eq!(journal.template("e")?, None);
    drop(journal);
    Ok(std::fs::remove_dir_all(folder)?)
}

#[test]
fn a_file_of_version_1_is_read() -> Outcome {
    let (folder, journal) = fresh("old")?;
    drop(journal);
    let path = folder.join("old");
    std::fs::copy("tests/vectors/journal-1.db", &path)?;
    let journal = Journal::open(&path, false)?;
    journal.check()?;
    let finished = journal.finished_after(0, 10)?;
    assert_eq!(finished.len(), 1);
    let results = journal.results(finished[0].0)?.unwrap_or_default();
    assert!(String::from_utf8(results)?.contains("1.50"));
    assert_eq!(journal.keep_template("d", "-Oa")?, "-Oa", "it was brought up to date");
    drop(journal);
    Ok(std::fs::remove_dir_all(folder)?)
}

#[test]
fn only_what_is_explained_is_absent() {
    let open = |row, name: &str| Open { row, names: vec![name.to_owned()] };
    let batch = |id: &str, name: Option<&str>| Candidate {
        batch_id: id.to_owned(),
        names: name.map(|name| vec![name.to_owned()]),
    };
    let (lost, other) = (open(1, "a"), open(2, "b"));
    let rival = open(3, "a");
    let both = [lost.clone(), other];
    assert_eq!(decide(&lost, &both, &[]), Verdict::Absent);
    assert_eq!(decide(&lost, &both, &[batch("x", Some("b"))]), Verdict::Absent);
    assert_eq!(decide(&lost, &both, &[batch("x", Some("c"))]), Verdict::Undecided);
    assert_eq!(decide(&lost, &both, &[batch("x", None)]), Verdict::NotYet);
    assert_eq!(decide(&lost, &both, &[batch("x", Some("a"))]), Verdict::Found("x".to_owned()));
    let same = [batch("x", Some("a")), batch("y", Some("a"))];
    assert_eq!(decide(&lost, &both, &same), Verdict::Undecided);
    assert_eq!(decide(&lost, &[lost.clone(), rival], &same[..1]), Verdict::Undecided);
}

#[test]
fn answers_that_do_not_tell_are_no_empty_lists() {
    let shown = listed(br#"{"extractionDetails":{"batches":{"-Ob":{}}}}"#).unwrap();
    assert_eq!((shown.len(), &*shown[0].batch_id, &shown[0].status), (1, "-Ob", &None));
    assert_eq!(listed(br#"{"extractionDetails":{"name":"x"}}"#), None);
    assert_eq!(listed(b"[]"), None);
    assert_eq!(names(br#"{"status":"waiting"}"#), None);
    assert_eq!(names(br#"{"files":[]}"#), None);
    assert_eq!(
        names(br#"{"files":[{"fileName":"b"},{"fileName":"a"}]}"#).map(|n| n.len()),
        Some(2)
    );
}
