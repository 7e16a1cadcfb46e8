//! The gate, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use extracta_rs::core::limit::Gate;
use tokio::time::{Instant, sleep, timeout};

const SPACING: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn requests_follow_each_other_in_order_one_spacing_after_the_answer() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let gate = gate.clone();
            tokio::spawn(async move {
                gate.pass(async move {
                    let at = began.elapsed();
                    sleep(Duration::from_millis(500)).await;
                    (number, at)
                })
                .await
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let (mine, at) = task.await.unwrap();
        assert_eq!(mine, number);
        // Each starts 2 s after the answer before it, which took 0.5 s.
        let expected = Duration::from_millis(2500 * number as u64);
        assert!(at >= expected && at < expected + Duration::from_millis(20), "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_holds_the_others_for_one_spacing_more() {
    let gate = Arc::new(Gate::new(SPACING));
    let began = Instant::now();
    let hanging = gate.clone();
    let hung = tokio::spawn(async move { hanging.pass(std::future::pending::<()>()).await });
    sleep(Duration::from_millis(1)).await;
    gate.pass(async {}).await;
    let waited = began.elapsed();
    assert!(waited >= 2 * SPACING && waited < 2 * SPACING + Duration::from_millis(20));
    assert!(!hung.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_counts_and_lets_the_next_one_through() {
    let gate = Gate::new(SPACING);
    let began = Instant::now();
    let dropped = timeout(Duration::from_secs(1), gate.pass(std::future::pending::<()>())).await;
    assert!(dropped.is_err());
    gate.pass(async {}).await;
    assert!(began.elapsed() >= SPACING);
}

#[tokio::test(start_paused = true)]
async fn no_spacing_means_no_gate() {
    let gate = Gate::new(Duration::ZERO);
    let began = Instant::now();
    let hung = gate.pass(std::future::pending::<()>());
    tokio::select! {
        () = hung => unreachable!("it never ends"),
        () = gate.pass(async {}) => {}
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}
