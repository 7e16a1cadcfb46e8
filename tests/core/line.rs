//! The line of several processes: its steps, and gates that stand in one, on a paused clock.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use extracta_rs::core::error::{Call, Error, Result};
use extracta_rs::core::key::ApiKey;
use extracta_rs::core::limit::Gate;
use extracta_rs::core::line::{Line, Shared, Step, StepResult, name};
use extracta_rs::core::pace::Load;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

const SPACING: Duration = Duration::from_secs(2);
const ROOM: Duration = Duration::from_millis(300);
/// A wall clock's.
const NOW: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn take(line: &mut Line, now: i64, waited: i64) -> u128 {
    let waited = Duration::from_millis(waited.unsigned_abs());
    line.step(now, SPACING, Step::Take { waited }).wait.as_millis()
}

/// Takes leave, and has the answer at once.
fn sent(line: &mut Line, now: i64, waited: i64) {
    assert_eq!(take(line, now, waited), 0);
    answer(line, now, 0, Load::Unknown);
}

fn answer(line: &mut Line, now: i64, age: u64, load: Load) -> u128 {
    let age = Duration::from_millis(age);
    line.step(now, SPACING, Step::Answered { age, load }).spacing.as_millis()
}

#[test]
fn leave_is_given_once_in_a_spacing_counted_from_the_answer() {
    let mut line = Line::default();
    assert_eq!(take(&mut line, NOW, 0), 0);
    // As long as it is not known when it came, it may be as late as one spacing.
    assert_eq!(take(&mut line, NOW + 500, 0), 2000);
    assert_eq!(take(&mut line, NOW + 600, 100), 2000);
    assert_eq!(answer(&mut line, NOW + 700, 700, Load::Borne), 2000);
    // Who asked first is the only one that is let through as soon as may be.
    assert_eq!(take(&mut line, NOW + 2000, 1500), 700);
    assert_eq!(take(&mut line, NOW + 2700, 2200), 0);
    assert_eq!(take(&mut line, NOW + 2700, 0), 2000);
    assert_eq!(take(&mut line, NOW + 4700, 2000), 2000);
    assert_eq!(take(&mut line, NOW + 6700, 4000), 0);
}

#[test]
fn who_has_waited_longest_goes_first_if_it_comes_in_time() {
    let mut line = Line::default();
    sent(&mut line, NOW, 0);
    assert_eq!(take(&mut line, NOW + 1500, 0), 500);
    assert_eq!(take(&mut line, NOW + 1600, 1600), 400);
    // The other one comes a little later than the first.
    assert_eq!(take(&mut line, NOW + 1700, 200), 300 + 100);
    assert_eq!(take(&mut line, NOW + 2000, 500), 100);
    sent(&mut line, NOW + 2050, 2050);
    // The first one does not come back: the others are held up for a moment only.
    assert_eq!(take(&mut line, NOW + 2100, 2100), 1950);
    assert_eq!(take(&mut line, NOW + 4050, 1000), 100);
    assert_eq!(take(&mut line, NOW + 4150, 1100), 100);
    sent(&mut line, NOW + 4250, 1200);
}

#[test]
fn a_refusal_holds_all_and_widens_the_spacing_of_all() {
    let mut line = Line::default();
    let refused = Load::Refused(Some(Duration::from_secs(30)));
    assert_eq!(take(&mut line, NOW, 0), 0);
    assert_eq!(answer(&mut line, NOW + 100, 100, refused), 4000);
    // Requests that were sent before tell nothing of it, but may lengthen the hold.
    assert_eq!(answer(&mut line, NOW + 200, 1000, Load::Borne), 4000);
    assert_eq!(answer(&mut line, NOW + 300, 1000, refused), 4000);
    assert_eq!(take(&mut line, NOW + 1300, 0), 29_000);
    assert_eq!(take(&mut line, NOW + 30_300, 29_000), 0);
    assert_eq!(answer(&mut line, NOW + 30_400, 100, Load::Borne), 3750);
    assert_eq!(take(&mut line, NOW + 30_400, 0), 3750);
    // Nobody is held for longer than a minute, nor spaced wider than eightfold.
    for _ in 0..9 {
        answer(&mut line, NOW + MINUTE, 0, Load::Refused(Some(Duration::MAX)));
    }
    assert_eq!(take(&mut line, NOW + MINUTE, MINUTE), 60_000);
    assert_eq!(answer(&mut line, NOW + MINUTE, 0, Load::Unknown), 16_000);
}

#[test]
fn a_clock_that_is_set_back_and_nonsense_hold_nobody_for_long() {
    let mut line = Line::default();
    assert_eq!(take(&mut line, NOW, 0), 0);
    answer(&mut line, NOW, 0, Load::Refused(Some(Duration::from_secs(50))));
    let hour = 60 * MINUTE;
    assert_eq!(take(&mut line, NOW - hour, 0), 4000);
    assert_eq!(take(&mut line, NOW - hour + 4000, 4000), 0);
    let values = [i64::MIN, -1, 0, 1, NOW, NOW + hour, i64::MAX];
    for a in values {
        for b in values {
            for now in values {
                for load in [Load::Borne, Load::Refused(Some(Duration::MAX)), Load::Unknown] {
                    let mut line = Line { reached: a, held: b, refused: a, spacing: b, first: a };
                    assert!(take(&mut line, now, b) <= 61_000, "{line:?}");
                    line.spacing = b;
                    assert!(answer(&mut line, now, u64::MAX, load) <= 16_000);
                    line.step(now, Duration::MAX, Step::Take { waited: Duration::MAX });
                }
            }
        }
    }
}

#[test]
fn the_name_of_a_line_tells_keys_and_addresses_apart_and_shows_neither() {
    let key = |key| ApiKey::new(key).unwrap();
    let one = name(&key("secret-key-1"), "https://api");
    assert_eq!(one, name(&key("secret-key-1"), "https://api"));
    assert_ne!(one, name(&key("secret-key-2"), "https://api"));
    assert_ne!(one, name(&key("secret-key-1"), "https://other"));
    assert!(one.len() == 64 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

/// What each gate of these tests asks, as processes ask a journal.
#[derive(Clone)]
struct Keeper {
    line: Arc<Mutex<Line>>,
    asked: Arc<Mutex<usize>>,
    mood: Arc<Mutex<Mood>>,
    began: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Failing,
    Hanging,
}

impl Keeper {
    fn new() -> Self {
        let (line, asked) = (Arc::default(), Arc::default());
        Self { line, asked, mood: Arc::new(Mutex::new(Mood::Well)), began: Instant::now() }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn gate(&self) -> Arc<Gate> {
        Arc::new(Gate::in_line(SPACING, "a line".to_owned(), Some(Arc::new(self.clone()))))
    }
}

impl Shared for Keeper {
    fn step(&self, line: &str, least: Duration, step: Step) -> BoxFuture<'static, StepResult> {
        assert_eq!((line, least), ("a line", SPACING));
        let keeper = self.clone();
        async move {
            *keeper.asked.lock().unwrap() += 1;
            let mood = *keeper.mood.lock().unwrap();
            match mood {
                Mood::Well => {
                    let passed = i64::try_from(keeper.began.elapsed().as_millis()).unwrap();
                    Ok(keeper.line.lock().unwrap().step(NOW + passed, least, step))
                }
                Mood::Failing => Err("no such host".to_owned()),
                Mood::Hanging => pending().await,
            }
        }
        .boxed()
    }
}

fn refusal(seconds: u64) -> Error {
    let call = Call { method: "POST", path: "/getBatchResults" };
    let (message, body) = (String::new(), String::new());
    let retry_after = Some(Duration::from_secs(seconds));
    Error::Status { call, status: 429, message, body, retry_after }
}

async fn look(gate: &Arc<Gate>, began: Instant) -> Duration {
    let sent = async {
        let at = began.elapsed();
        sleep(Duration::from_millis(100)).await;
        Ok(at)
    };
    gate.turn().await.run(sent).await.unwrap()
}

fn assert_about(found: Duration, expected: Duration) {
    assert!(found >= expected && found < expected + ROOM, "{found:?} instead of {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn gates_in_one_line_take_turns() {
    let keeper = Keeper::new();
    let began = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let gate = keeper.gate();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..5 {
                    times.push(look(&gate, began).await);
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let times = task.await.unwrap();
        // Each has one in four.
        for pair in times.windows(2) {
            let apart = pair[1].abs_diff(pair[0]).as_secs_f64() / 2.1;
            assert!((3.0..5.5).contains(&apart), "{times:?}");
        }
        all.extend(times);
    }
    all.sort();
    for pair in all.windows(2) {
        // Counted from the answer, which takes 0.1 s.
        assert_about(pair[1].abs_diff(pair[0]), SPACING + Duration::from_millis(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_holds_the_others_and_slows_them() {
    let keeper = Keeper::new();
    let (first, second) = (keeper.gate(), keeper.gate());
    let began = Instant::now();
    let refused: Result<()> = first.turn().await.run(async { Err(refusal(30)) }).await;
    assert!(refused.is_err());
    assert_about(look(&second, began).await, Duration::from_secs(30));
    // Widened to 4 s; the good answer took 0.25 s of it back.
    assert_eq!(second.spacing(), Duration::from_millis(3750));
    let next = look(&first, began).await;
    assert_about(next, Duration::from_millis(30_100 + 3_750));
}

#[tokio::test(start_paused = true)]
async fn a_single_look_takes_leave_only_where_it_can_go_now() {
    let keeper = Keeper::new();
    let (first, second) = (keeper.gate(), keeper.gate());
    first.turn().await.run(async { Ok(()) }).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    assert!(second.try_turn().await.is_none());
    assert_about(second.promise(), Duration::from_millis(1500));
    assert_about(second.promise(), Duration::from_millis(3500));
    sleep(Duration::from_millis(1500)).await;
    let turn = second.try_turn().await.unwrap();
    turn.run(async { Ok(()) }).await.unwrap();
    assert!(first.try_turn().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn leave_that_was_not_used_is_used_by_the_next() {
    let keeper = Keeper::new();
    let (first, second) = (keeper.gate(), keeper.gate());
    let began = Instant::now();
    drop(first.turn().await);
    sleep(SPACING / 2).await;
    assert_about(look(&first, began).await, SPACING / 2);
    // Those behind it count from when it was used, not from when it was given.
    assert_about(look(&second, began).await, SPACING * 3 / 2);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_keeps_its_gates_place() {
    let keeper = Keeper::new();
    let (first, second) = (keeper.gate(), keeper.gate());
    let began = Instant::now();
    look(&first, began).await;
    assert!(timeout(SPACING / 2, second.turn()).await.is_err());
    // It came first, however often its waiters change.
    let other = tokio::spawn(async move { look(&first, began).await });
    assert!(timeout(SPACING / 4, second.turn()).await.is_err());
    let mine = look(&second, began).await;
    assert!(mine < other.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_nobody_keeps_any_more_stops_nobody() {
    for mood in [Mood::Failing, Mood::Hanging] {
        let keeper = Keeper::new();
        let gate = keeper.gate();
        let began = Instant::now();
        look(&gate, began).await;
        keeper.is(mood);
        // One that hangs is waited for once, for 5 s.
        let late = if mood == Mood::Hanging { 5 } else { 0 };
        let second = look(&gate, began).await;
        assert!(second < SPACING + Duration::from_millis(500 + late * 1000), "{second:?}");
        let asked = keeper.asked();
        let third = look(&gate, began).await;
        assert_about(third, second + SPACING + Duration::from_millis(100));
        assert_eq!(keeper.asked(), asked, "it is left alone for a while");
        keeper.is(Mood::Well);
        sleep(Duration::from_secs(30)).await;
        look(&gate, began).await;
        if mood == Mood::Failing {
            assert!(keeper.asked() > asked, "it is asked again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_joins_a_line_for_a_time() {
    let keeper = Keeper::new();
    let other = keeper.gate();
    let gate = Arc::new(Gate::in_line(SPACING, "a line".to_owned(), None));
    let began = Instant::now();
    look(&other, began).await;
    let joined = gate.join(Arc::new(keeper.clone()));
    let again = gate.join(Arc::new(keeper.clone()));
    assert_about(look(&gate, began).await, SPACING);
    drop(joined);
    look(&other, began).await;
    let before = keeper.asked();
    assert!(gate.try_turn().await.is_none());
    assert!(keeper.asked() > before);
    drop(again);
    sleep(Duration::from_millis(1)).await;
    let before = keeper.asked();
    look(&gate, began).await;
    assert_eq!(keeper.asked(), before);
    // What was chosen stays.
    let (chosen, unused) = (keeper.gate(), Keeper::new());
    let _joined = chosen.join(Arc::new(unused.clone()));
    look(&chosen, began).await;
    assert_eq!(unused.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_spacing_means_no_line() {
    let keeper = Keeper::new();
    let gate = Gate::in_line(Duration::ZERO, "a line".to_owned(), Some(Arc::new(keeper.clone())));
    let gate = Arc::new(gate);
    for _ in 0..3 {
        gate.try_turn().await.unwrap().run(async { Ok(()) }).await.unwrap();
        look(&gate, Instant::now()).await;
    }
    assert_eq!(keeper.asked(), 0);
}
