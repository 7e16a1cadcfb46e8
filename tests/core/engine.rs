//! The mark of a label, and what names tell of it; turns that wait for nothing.

use std::sync::Arc;
use std::time::Duration;

use extracta_rs::core::limit::Gate;
use extracta_rs::core::run::label::{Shown, decide, mark, marked, recognised, unmarked};
use extracta_rs::core::run::look::Verdict;
use tokio::time::sleep;

fn batch(id: &str, names: &[&str], complete: bool) -> Shown {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Shown { batch_id: id.to_owned(), names, complete }
}

fn of(label: &str, name: &str) -> String {
    marked(&mark(label).unwrap(), name)
}

#[test]
fn a_mark_is_short_plain_and_the_label_s_own() {
    // The first 10 bytes of the label's SHA-256: another release must find what this one marked.
    assert_eq!(mark("abc").unwrap(), "xr-ba7816bf8f01cfea4141-");
    assert_ne!(mark("a").unwrap(), mark("a ").unwrap());
    assert!(mark("").is_err() && mark(" \n").is_err());
    assert!(mark(&"long ".repeat(10_000)).is_ok());
}

#[test]
fn a_mark_comes_off_and_nothing_else_does() {
    for name in ["a.pdf", "xr-", "ä/ö.pdf", "-", "xr-ba7816bf8f01cfea4141-"] {
        let last = name.rsplit('/').next();
        assert_eq!(unmarked(&of("abc", name)), last);
    }
    for other in
        ["a.pdf", "", "xr-ba7816bf8f01cfea414G-a", "xr-BA7816BF8F01CFEA4141-a", "ääääääääääääää"]
    {
        assert_eq!(unmarked(other), None, "{other}");
    }
}

#[test]
fn a_labelled_upload_is_found_by_any_of_its_names() {
    let ours = mark("abc").unwrap();
    let (one, other) = (of("abc", "a.pdf"), of("other", "a.pdf"));
    let among = [batch("1", &[&other], true), batch("2", &["x", &one], false)];
    assert_eq!(decide(&ours, 2, &among), Verdict::Found("2".to_owned()));
    assert_eq!(recognised(&[one.clone(), of("abc", "b")], &among), Some("2".to_owned()));
    assert_eq!(recognised(&[of("third", "a.pdf")], &among), None);
    // A plain name may be anybody's.
    assert_eq!(recognised(&["x".to_owned()], &among), None);
}

#[test]
fn only_what_is_explained_is_absent() {
    let ours = mark("abc").unwrap();
    let other = of("other", "a.pdf");
    assert_eq!(decide(&ours, 1, &[]), Verdict::Absent);
    // The service keeps names as they were sent.
    let kept = [batch("1", &[&other], true), batch("2", &["plain"], true)];
    assert_eq!(decide(&ours, 1, &kept), Verdict::Absent);
    // It may have changed ours.
    assert_eq!(decide(&ours, 1, &kept[1..]), Verdict::Undecided);
    assert_eq!(decide(&ours, 2, &kept[1..]), Verdict::Absent);
    // One of its batches does not tell yet.
    let silent = [batch("1", &[&other], true), batch("2", &[], false)];
    assert_eq!(decide(&ours, 1, &silent), Verdict::NotYet);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_there_or_not() {
    let gate = Arc::new(Gate::new(Duration::from_secs(2)));
    let turn = gate.try_turn().await.unwrap();
    // Somebody has it.
    assert!(gate.try_turn().await.is_none());
    drop(turn);
    let turn = gate.try_turn().await.unwrap();
    turn.run(async { Ok(()) }).await.unwrap();
    assert!(gate.try_turn().await.is_none());
    sleep(Duration::from_secs(2)).await;
    assert!(gate.try_turn().await.is_some());
    let off = Arc::new(Gate::new(Duration::ZERO));
    let both = (off.try_turn().await, off.try_turn().await);
    assert!(both.0.is_some() && both.1.is_some());
    assert_eq!(off.promise(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_is_promised_a_moment_of_its_own() {
    let gate = Arc::new(Gate::new(Duration::from_secs(2)));
    gate.try_turn().await.unwrap().run(async { Ok(()) }).await.unwrap();
    let told: Vec<_> = (0..4).map(|_| gate.promise().as_secs()).collect();
    assert_eq!(told, [2, 4, 6, 8]);
    // Those whose moment has passed leave no gap.
    sleep(Duration::from_secs(100)).await;
    assert_eq!(gate.promise(), Duration::ZERO);
    assert_eq!(gate.promise().as_secs(), 2);
    // Many that never come again do not push others out of sight.
    let last = (0..10_000).fold(None, |_, _| Some(gate.promise())).unwrap();
    assert!(last <= Duration::from_secs(900));
}
