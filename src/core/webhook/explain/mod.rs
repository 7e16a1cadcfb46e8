//! What is wrong with a signature: undoes the usual mistakes, and sees whether it then holds.
//!
//! A reason is *proved* where undoing the mistake makes the signature hold, and a guess (its word
//! begins with `looks_`) where the body only looks like it; a proof goes before a guess. Reports
//! are for developers: how long one takes tells which mistake was found. A body is hashed at most
//! 4 times with each of the at most 6 keys of a secret, and 24 times more with the right one, and
//! at most three rewritten copies of it are held at once.

mod guess;
mod header;
mod keys;
mod look;
mod python;
mod reason;
mod undo;

use self::guess::guess;
use self::header::Reading;
use self::keys::Keys;
use self::look::{Sight, look};
pub use self::reason::Reason;
use super::secret::UnusableSecret;
use super::verify::Matched::{self, Canonical, Raw};
use super::verify::{Refusal, Verified, verify};
use crate::core::javascript::{SyntaxError, stringify};

/// What is known of a signature. Nothing in it was made from a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In which form the signature holds, if it does.
    pub matched: Option<Matched>,
    /// The place of the secret that made the signature, where that is known.
    pub secret_index: Option<usize>,
    /// The reason.
    pub reason: Reason,
    /// What to do, in sentences.
    pub hint: String,
}

impl Report {
    fn valid(verified: &Verified) -> Self {
        let rebuilt = verified.matched == Canonical;
        Self {
            matched: Some(verified.matched),
            secret_index: Some(verified.secret_index),
            reason: Reason::Valid,
            hint: if rebuilt { reason::REBUILT } else { Reason::Valid.hint() }.to_owned(),
        }
    }

    fn because(reason: Reason) -> Self {
        Self { matched: None, secret_index: None, reason, hint: reason.hint().to_owned() }
    }

    fn refused(refusal: &Refusal, body: &[u8]) -> Self {
        Self::because(match refusal {
            Refusal::MissingHeader => Reason::MissingHeader,
            Refusal::NotBase64 => Reason::NotBase64,
            Refusal::WrongLength => Reason::WrongLength,
            Refusal::MalformedBody(_) if body.trim_ascii().is_empty() => Reason::EmptyBody,
            Refusal::MalformedBody(error) => {
                let hint = format!("The JSON breaks: {error}. {}", Reason::MalformedBody.hint());
                return Self { hint, ..Self::because(Reason::MalformedBody) };
            }
            Refusal::NoResult => Reason::NoResult,
            Refusal::Mismatch => Reason::Mismatch,
        })
    }
}

/// A mistake that was proved, and with which secret.
struct Proof {
    first: Reason,
    others: Vec<Reason>,
    secret_index: usize,
}

impl Proof {
    fn report(self) -> Report {
        let mut report = Report::because(self.first);
        for other in self.others {
            report.hint.extend([" Besides: ", other.hint()]);
        }
        Report { secret_index: Some(self.secret_index), ..report }
    }
}

/// Tells whether `header` is a signature of `body` with one of the secrets, as `verify` does, and
/// if not, what is wrong.
pub fn explain(
    body: &[u8],
    header: Option<&[u8]>,
    secrets: &[&[u8]],
) -> Result<Report, UnusableSecret> {
    let refusal = match verify(body, header, secrets)? {
        Ok(verified) => return Ok(Report::valid(&verified)),
        Err(refusal) => refusal,
    };
    let Some(reading) = header::read(header.unwrap_or_default()) else {
        return Ok(Report::refused(&refusal, body));
    };
    let sight = look(body);
    let attempts = Attempts { body, keys: Keys::new(secrets), reading: &reading };
    if let Some(proof) = attempts.prove(&sight) {
        return Ok(proof.report());
    }
    // A header of another form never matches: that is certain, whatever the body looks like.
    let likely = match reading.mistakes.as_slice() {
        [] => guess(body, &sight),
        [Reason::HexSignature, ..] => Some(Reason::LooksHex),
        _ => None,
    };
    Ok(likely.map_or_else(|| Report::refused(&refusal, body), Report::because))
}

struct Attempts<'a> {
    body: &'a [u8],
    keys: Keys,
    reading: &'a Reading,
}

impl Attempts<'_> {
    /// The first mistake that explains the signature.
    fn prove(&self, sight: &Result<Sight<'_>, SyntaxError>) -> Option<Proof> {
        match sight {
            Ok(sight) => self.signed_otherwise(sight).or_else(|| self.delivery_inside(sight)),
            Err(_) => self.with_any_key(self.body, Some(Reason::WholeBodySigned)),
        }
        .or_else(|| self.rewritten())
    }

    /// The body is what was sent, but the signer did something else, or read it otherwise.
    fn signed_otherwise(&self, sight: &Sight<'_>) -> Option<Proof> {
        let result = sight.result.clone().and_then(|range| self.body.get(range));
        result
            .and_then(|result| self.with_any_key(result, None))
            .or_else(|| self.with_any_key(self.body, Some(Reason::WholeBodySigned)))
            .or_else(|| self.decoded_wrongly(result?))
    }

    /// The body's UTF-8 was taken for another charset, once or twice.
    fn decoded_wrongly(&self, result: &[u8]) -> Option<Proof> {
        let once = undo::mojibake(&stringify(result).ok()?)?;
        let reason = Reason::DecodedAsLatin1;
        self.with_right_key(&once, Raw, reason)
            .or_else(|| self.with_right_key(&undo::mojibake(&once)?, Raw, reason))
    }

    /// The delivery is somewhere in the JSON.
    fn delivery_inside(&self, sight: &Sight<'_>) -> Option<Proof> {
        if let Some(text) = sight.string {
            let text = text.decode();
            let in_base64 = || self.delivery(&undo::base64(&text)?, Reason::Base64Body);
            return self.delivery(&text, Reason::JsonTwice).or_else(in_base64);
        }
        let result = sight.result.clone().and_then(|range| self.body.get(range));
        let result = result.and_then(undo::json_string);
        if let Some(text) = result {
            let wrapped = || self.delivery(&text, Reason::WrappedBody);
            return self.message(&text, Reason::JsonTwice).or_else(wrapped);
        }
        let mut inner = sight.inner.iter().filter_map(|range| self.body.get(range.clone()));
        inner.find_map(|result| self.message(result, Reason::WrappedBody)).or_else(|| {
            let text = sight.longest?.decode();
            self.delivery(&text, Reason::WrappedBody)
                .or_else(|| self.delivery(&undo::base64(&text)?, Reason::WrappedBody))
        })
    }

    /// The body as a whole was written in another form.
    fn rewritten(&self) -> Option<Proof> {
        undo::FORMS.iter().find_map(|(undo, reason)| self.delivery(&undo(self.body)?, *reason))
    }

    fn delivery(&self, text: &[u8], reason: Reason) -> Option<Proof> {
        let result = look(text).ok()?.result?;
        self.message(text.get(result)?, reason)
    }

    fn message(&self, message: &[u8], reason: Reason) -> Option<Proof> {
        self.with_right_key(message, Raw, reason)
            .or_else(|| self.with_right_key(message, Canonical, reason))
    }

    fn with_right_key(&self, message: &[u8], form: Matched, reason: Reason) -> Option<Proof> {
        let secret_index = self.keys.right(message, form, &self.reading.claimed)?;
        self.proof(secret_index, [Some(reason), None])
    }

    fn with_any_key(&self, message: &[u8], reason: Option<Reason>) -> Option<Proof> {
        let any = |form| self.keys.any(message, form, &self.reading.claimed);
        let (secret_index, mistake) = any(Raw).or_else(|| any(Canonical))?;
        self.proof(secret_index, [reason, mistake])
    }

    fn proof(&self, secret_index: usize, mistakes: [Option<Reason>; 2]) -> Option<Proof> {
        let of_header = self.reading.mistakes.iter().copied();
        let mut mistakes = mistakes.into_iter().flatten().chain(of_header);
        Some(Proof { first: mistakes.next()?, others: mistakes.collect(), secret_index })
    }
}
