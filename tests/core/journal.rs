//! The journal's states and transitions, an older file, and what is said of lost uploads.

use std::path::PathBuf;

use extracta_rs::core::journal::{Journal, NewDocument, State};
use extracta_rs::core::model::{Kind, Target};
use extracta_rs::core::poll::listing::listed;
use extracta_rs::core::run::look::{Candidate, Open, Verdict, decide, names};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The same journal in a file, and in the server's database where one is given: see `server`.
fn journals(name: &str) -> Result<Vec<Journal>, Box<dyn std::error::Error>> {
    let (_, file) = fresh(name)?;
    std::iter::once(Ok(file)).chain(server(name)).collect()
}

/// A schema of its own in the database of `EXTRACTA_POSTGRES_URL`.
#[cfg(feature = "postgres")]
fn server(name: &str) -> Option<Result<Journal, Box<dyn std::error::Error>>> {
    let Ok(url) = std::env::var("EXTRACTA_POSTGRES_URL") else {
        let required = std::env::var("EXTRACTA_TESTS_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|tool| tool == "postgres"), "EXTRACTA_POSTGRES_URL?");
        return None;
    };
    let schema = format!("{name}_{}", std::process::id());
    let open = || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls)?;
        client.batch_execute(&format!("CREATE SCHEMA {schema}"))?;
        let url = format!("{url}?lease=3&options=-csearch_path%3D{schema}");
        Ok(Journal::open(std::path::Path::new(&url), true)?)
    };
    Some(open())
}

#[cfg(not(feature = "postgres"))]
fn server(_name: &str) -> Option<Result<Journal, Box<dyn std::error::Error>>> {
    None
}

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
    journals("states")?.into_iter().try_for_each(lives)
}

fn lives(journal: Journal) -> Outcome {
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
    Ok(())
}

#[test]
fn a_label_is_claimed_once() -> Outcome {
    for journal in journals("labels")? {
        let target = target();
        let (one, two) = (journal.begin()?, journal.begin()?);
        let ids = |name: &str| -> Result<Vec<i64>, Box<dyn std::error::Error>> {
            let admitted = journal.admit(&target, &[document(name)])?;
            Ok(admitted.iter().map(|admitted| admitted.document).collect())
        };
        let mark = "xr-0123456789abcdef0123-";
        let (first, second) = (ids(&format!("{mark}a"))?, ids(&format!("{mark}b"))?);
        assert_eq!(journal.labelled(&target, mark)?, None);
        let row = journal.claim_labelled(&one, &target, mark, &first)?.ok_or("not claimed")?;
        assert_eq!(journal.claim_labelled(&two, &target, mark, &second)?, None);
        assert_eq!(journal.take_over_labelled(&two, &target, mark)?, None);
        drop(one);
        let taken = journal.take_over_labelled(&two, &target, mark)?.ok_or("not taken over")?;
        assert_eq!((taken.row, taken.state), (row, State::Lost));
        assert!(taken.lost_at.is_some());
        journal.release(row, Some("a \0 in it"))?;
        assert_eq!(journal.labelled(&target, mark)?, None);
        journal.hold(&two)?;
    }
    Ok(())
}

#[test]
fn what_is_kept_is_told() -> Outcome {
    for journal in journals("told")? {
        let target = target();
        let path = std::path::Path::new("/a/b.pdf");
        let hash = || (path.to_owned(), 4, 17, "00".to_owned());
        journal.keep_hashes(&[hash()])?;
        journal.keep_hashes(&[hash()])?;
        assert_eq!(journal.hash(path, 4, 17)?.as_deref(), Some("00"));
        assert_eq!(journal.hash(path, 4, 18)?, None);
        let (owner, given) =
            (journal.begin()?, NewDocument { path: Some("x".into()), ..document("a") });
        let admitted = journal.admit(&target, &[document("b"), given.clone(), document("b")])?;
        assert_eq!((admitted.len(), admitted[0].document), (3, admitted[2].document));
        let ids = [admitted[1].document, admitted[0].document];
        let row = journal.claim(&owner, &target, &ids)?.row.ok_or("not claimed")?;
        let open = vec![(row, vec!["a".to_owned(), "b".to_owned()])];
        assert_eq!(journal.open_uploads(&target)?, open);
        assert_eq!(journal.documents_of(row)?[0], (ids[0], given));
        journal.uploaded(row, "-Ob", Some(b"{}"))?;
        assert_eq!(journal.witnesses(&target)?.running, ["-Ob"]);
        journal.finished(row, b"{}")?;
        // What one that was taken for dead learns late changes nothing.
        journal.release(row, None)?;
        journal.unknown(row, "late")?;
        journal.lost(row, "late")?;
        assert_eq!(state(&journal, row), Some(State::Finished));
        assert_eq!(journal.finished_after(0, 9)?.len(), 1);
        let told = journal.documents_after(0, 9)?;
        assert_eq!((told.len(), told[0].state), (2, Some(State::Finished)));
        assert_eq!(journal.accounted(&target)?, ["-Ob"]);
        journal.refuse(ids[0], "not in its batch")?;
        assert_eq!(journal.documents_after(0, 1)?[0].note, None);
    }
    Ok(())
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
    for journal in journals("templates")? {
        assert_eq!(journal.template("d")?, None);
        assert_eq!(journal.keep_template("d", "-Oa")?, "-Oa");
        assert_eq!(journal.keep_template("d", "-Ob")?, "-Oa");
        assert_eq!(journal.template("d")?.as_deref(), Some("-Oa"));
        assert_eq!(journal.template("e")?, None);
    }
    Ok(())
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
