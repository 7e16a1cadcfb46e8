//! The gate, on a paused clock.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use extracta_rs::core::error::{Call, Error, Result};
use extracta_rs::core::limit::Gate;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const SPACING: Duration = Duration::from_secs(2);
/// Timers are exact to a millisecond, so each step may be late by as much.
const ROOM: Duration = Duration::from_millis(200);

fn refusal(status: u16, retry_after: Option<Duration>) -> Error {
    let call = Call { method: "POST", path: "/getBatchResults" };
    Error::Status { call, status, message: String::new(), body: String::new(), retry_after }
}

async fn pass<T>(gate: &Arc<Gate>, request: impl Future<Output = Result<T>>) -> Result<T> {
    gate.turn().await.run(request).await
}

/// Goes through the gate and tells when, in the time since `began`.
async fn look(gate: &Arc<Gate>, began: Instant) -> Duration {
    pass(gate, async { Ok(began.elapsed()) }).await.unwrap()
}

fn spawn_looks(gate: &Arc<Gate>, began: Instant, count: usize) -> Vec<JoinHandle<Duration>> {
    let spawn = |_| {
        let gate = gate.clone();
        tokio::spawn(async move { look(&gate, began).await })
    };
    (0..count).map(spawn).collect()
}

async fn refuse(gate: &Arc<Gate>, retry_after: Option<Duration>) {
    let refused: Result<()> = pass(gate, async { Err(refusal(429, retry_after)) }).await;
    assert!(refused.is_err());
}

fn assert_about(found: Duration, expected: Duration) {
    assert!(found >= expected && found < expected + ROOM, "{found:?} instead of {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_follow_each_other_in_order_one_spacing_after_the_answer() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let request = async {
                    let at = began.elapsed();
                    sleep(Duration::from_millis(500)).await;
                    Ok((number, at))
                };
                pass(&gate, request).await.unwrap()
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let (mine, at) = task.await.unwrap();
        assert_eq!(mine, number);
        // Each starts 2 s after the answer before it, which took 0.5 s.
        assert_about(at, Duration::from_millis(2500 * number as u64));
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_again_stands_behind_all_who_wait() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let turn = gate.turn().await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..5 {
                    times.push(look(&gate, began).await);
                }
                times
            })
        })
        .collect();
    // All have lined up before the first goes.
    sleep(Duration::from_millis(1)).await;
    drop(turn);
    for (number, task) in (0_u32..).zip(tasks) {
        for (round, at) in (0_u32..).zip(task.await.unwrap()) {
            assert_about(at, SPACING * (4 * round + number));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_holds_the_others_for_one_spacing_more() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let hanging = gate.clone();
    let hung = tokio::spawn(async move { pass(&hanging, pending::<Result<()>>()).await });
    sleep(Duration::from_millis(1)).await;
    assert_about(look(&gate, began).await, 2 * SPACING);
    assert!(!hung.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_counts_and_lets_the_next_one_through() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let dropped = timeout(Duration::from_secs(1), pass(&gate, pending::<Result<()>>())).await;
    assert!(dropped.is_err());
    assert_about(look(&gate, began).await, SPACING);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_or_lets_its_turn_pass_costs_the_others_nothing() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    look(&gate, began).await;
    let tasks = spawn_looks(&gate, began, 6);
    sleep(Duration::from_millis(1)).await;
    // The first waits for its time, the third and fourth for the others.
    for leaving in [0, 2, 3] {
        tasks[leaving].abort();
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.ok());
    }
    assert_eq!(times.len(), 3);
    for (at, expected) in times.into_iter().zip([SPACING, 2 * SPACING, 3 * SPACING]) {
        assert_about(at, expected);
    }
    let turn = gate.turn().await;
    sleep(10 * SPACING).await;
    drop(turn);
    let now = began.elapsed();
    assert_about(look(&gate, began).await, now);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_everybody_and_after_it_they_leave_one_by_one() {
    for status in [429, 503] {
        let gate = Arc::new(Gate::new(SPACING));
        let hold = Duration::from_secs(30);
        let began = Instant::now();
        let other = gate.clone();
        let refused = tokio::spawn(async move {
            pass::<()>(&other, async { Err(refusal(status, Some(hold))) }).await
        });
        sleep(Duration::from_millis(1)).await;
        let tasks = spawn_looks(&gate, began, 5);
        assert!(refused.await.unwrap().is_err());
        let mut expected = hold;
        let mut spacing = 2 * SPACING;
        for task in tasks {
            assert_about(task.await.unwrap(), expected);
            spacing -= SPACING / 8;
            expected += spacing;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_after_a_minute_and_one_request_asks_again() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let year = Duration::from_secs(365 * 24 * 3600);
    let minute = Duration::from_secs(60);
    refuse(&gate, Some(year)).await;
    for round in 1..4 {
        refuse(&gate, Some(year)).await;
        assert_about(began.elapsed(), minute * round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_holds_who_is_about_to_go() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let slow = gate.clone();
    let late = tokio::spawn(async move {
        let request = async {
            sleep(SPACING * 3 / 2).await;
            Err(refusal(429, Some(10 * SPACING)))
        };
        pass::<()>(&slow, request).await
    });
    sleep(Duration::from_millis(1)).await;
    // Its turn comes after two spacings; the refusal comes half a spacing before.
    assert_about(look(&gate, began).await, SPACING * 23 / 2);
    assert!(late.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_at_the_gate() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    refuse(&gate, Some(30 * SPACING)).await;
    assert!(timeout(SPACING, look(&gate, began)).await.is_err());
    assert_about(began.elapsed(), SPACING);
}

#[tokio::test(start_paused = true)]
async fn what_fails_otherwise_changes_nothing() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let call = Call { method: "POST", path: "/getBatchResults" };
    for error in [
        refusal(500, Some(30 * SPACING)),
        refusal(503, None),
        refusal(404, None),
        Error::Connection { call, sent: true, detail: String::new() },
    ] {
        assert!(pass::<()>(&gate, async { Err(error) }).await.is_err());
    }
    assert_about(look(&gate, began).await, 4 * SPACING);
}

#[tokio::test(start_paused = true)]
async fn no_spacing_means_no_gate() {
    let gate = Arc::new(Gate::new(Duration::ZERO));
    let began = Instant::now();
    refuse(&gate, Some(SPACING)).await;
    let hung = pass(&gate, pending::<Result<()>>());
    tokio::select! {
        _ = hung => unreachable!("it never ends"),
        at = look(&gate, began) => assert_eq!(at, Duration::ZERO),
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}
