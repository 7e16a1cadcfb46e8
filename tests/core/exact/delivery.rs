//! The vendor's recipe, in as few steps as it has.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::model::read;

/// The header for a message.
pub fn header(secret: &[u8], message: &[u8]) -> String {
    let at = secret.windows(7).position(|window| window == b"E_AI_K_");
    let key = at.map_or(secret.to_vec(), |at| [&secret[..at], &secret[at + 7..]].concat());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether a header could be a signature.
pub fn is_base64_of_32_bytes(header: &[u8]) -> bool {
    STANDARD.decode(header).is_ok_and(|bytes| bytes.len() == 32)
}

/// The dedupe key of a file, as its documentation tells.
pub fn dedupe_key(file: &[u8]) -> String {
    let document = read(file).unwrap();
    let value = |name| match document.member(name) {
        Some(range) => read(&file[range]).unwrap().canonical,
        None => "null".into(),
    };
    let ids = ["extractionId", "batchId", "fileId", "status"].map(value).join(",");
    sha256(&format!("[{ids},\"{}\"]", sha256(&value("result"))))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
