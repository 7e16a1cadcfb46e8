//! Ids like Firebase push ids: twenty characters that sort in the order of their making. Equal
//! seeds give equal ids.

const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const COUNTER_DIGITS: u32 = 6;
const RANDOM_DIGITS: usize = 12;

#[derive(Debug)]
pub(super) struct Identities {
    random: fastrand::Rng,
    counter: u64,
}

impl Identities {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let counter = random.u64(..1 << 34);
        Self { random, counter }
    }

    pub(super) fn next(&mut self) -> String {
        self.counter += 1 + self.random.u64(..1000);
        let mut id = String::from("-O");
        for place in (0..COUNTER_DIGITS).rev() {
            id.push(digit(self.counter >> (6 * place)));
        }
        for _ in 0..RANDOM_DIGITS {
            id.push(digit(self.random.u64(..64)));
        }
        id
    }
}

fn digit(value: u64) -> char {
    char::from(ALPHABET[usize::try_from(value & 63).unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::Identities;

    #[test]
    fn ids_are_unique_sorted_and_follow_the_seed() {
        let make = |seed| {
            let mut identities = Identities::new(seed);
            (0..1000).map(|_| identities.next()).collect::<Vec<_>>()
        };
        let ids = make(7);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids.iter().all(|id| id.len() == 20 && id.starts_with("-O")));
        assert_eq!(ids, make(7));
        assert_ne!(ids, make(8));
    }
}
