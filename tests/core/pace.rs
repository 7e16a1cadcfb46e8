//! How refusals and good answers change the pace: pure, no clock is read but for a beginning.

use std::time::Duration;

use extracta_rs::core::pace::{Load, Pace};
use tokio::time::Instant;

const LEAST: Duration = Duration::from_secs(2);

/// Sends a request when it may go out and answers it a moment later; returns that moment.
fn exchange(pace: &mut Pace, now: Instant, load: Load) -> Instant {
    let sent = pace.next().map_or(now, |next| next.max(now));
    pace.reached(sent);
    let answered = sent + Duration::from_millis(100);
    pace.reached(answered);
    pace.answered(sent, answered, load);
    answered
}

#[test]
fn refusals_double_the_spacing_up_to_a_bound_and_good_answers_take_it_back_evenly() {
    let mut pace = Pace::new(LEAST);
    let mut now = Instant::now();
    for expected in [2, 4, 8, 8, 8] {
        now = exchange(&mut pace, now, Load::Refused(None));
        assert_eq!(pace.spacing(), LEAST * expected);
        assert_eq!(pace.next(), Some(now + LEAST * expected));
    }
    let mut before = pace.spacing();
    for _ in 0..7 * 8 {
        now = exchange(&mut pace, now, Load::Borne);
        assert_eq!(pace.spacing() + LEAST / 8, before);
        before = pace.spacing();
    }
    for load in [Load::Borne, Load::Unknown, Load::Borne] {
        now = exchange(&mut pace, now, load);
        assert_eq!(pace.spacing(), LEAST);
    }
}

#[test]
fn what_was_sent_before_the_refusal_does_not_count_again() {
    let mut pace = Pace::new(LEAST);
    let sent = Instant::now();
    let now = sent + LEAST;
    let asked = Duration::from_secs(20);
    assert!(pace.answered(sent, now, Load::Refused(Some(asked))));
    for seconds in 10..20 {
        // Ten more were under way: the longest hold counts, the spacing is doubled once.
        let asked = Duration::from_secs(seconds);
        assert!(!pace.answered(sent, now, Load::Refused(Some(asked))));
        assert!(!pace.answered(sent, now, Load::Borne));
    }
    assert_eq!((pace.spacing(), pace.next()), (2 * LEAST, Some(now + asked)));
    let later = now + 5 * LEAST;
    pace.answered(sent, later, Load::Refused(Some(asked)));
    assert_eq!((pace.spacing(), pace.next()), (2 * LEAST, Some(later + asked)));
}

#[test]
fn a_hold_is_never_longer_than_a_minute() {
    let now = Instant::now();
    for asked in [Duration::from_secs(61), Duration::from_secs(365 * 24 * 3600), Duration::MAX] {
        let mut pace = Pace::new(LEAST);
        pace.answered(now, now, Load::Refused(Some(asked)));
        assert_eq!(pace.next(), Some(now + Duration::from_secs(60)));
    }
}

#[test]
fn time_that_jumps_neither_saves_up_requests_nor_blocks_them() {
    let mut pace = Pace::new(LEAST);
    let early = Instant::now();
    let late = early + Duration::from_secs(1_000_000);
    exchange(&mut pace, early, Load::Refused(Some(LEAST)));
    // The machine slept for days: the hold is over, and there is one request, not thousands.
    assert!(pace.next() < Some(late));
    let now = exchange(&mut pace, late, Load::Borne);
    assert_eq!(pace.next(), Some(now + pace.spacing()));
    // Answers that seem to come before they were asked for, or long before others.
    pace.answered(late, early, Load::Refused(Some(LEAST)));
    pace.answered(late, early, Load::Borne);
    pace.reached(early);
    assert!(pace.next() <= Some(early + pace.spacing().max(LEAST) * 2));
}

#[test]
fn a_spacing_beyond_all_clocks_is_a_long_one() {
    let mut pace = Pace::new(Duration::MAX);
    let now = Instant::now();
    for _ in 0..5 {
        let now = exchange(&mut pace, now, Load::Refused(Some(Duration::MAX)));
        assert!(pace.next() >= Some(now + Duration::from_secs(3600)));
        pace = Pace::new(Duration::MAX);
    }
}
