//! Certificates that OpenSSL's environment variables name: they take the place of the system's store,
//! on every platform, as they do for curl and for Python's ssl.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::core::error::{Error, Result};

const FILE: &str = "SSL_CERT_FILE";
const FOLDER: &str = "SSL_CERT_DIR";

/// What the variables name; `None` where neither is set.
pub(super) fn of_environment() -> Result<Option<Vec<reqwest::Certificate>>> {
    let (file, folders) = (set(FILE)?, set(FOLDER)?);
    if file.is_none() && folders.is_none() {
        return Ok(None);
    }
    let mut found = Vec::new();
    if let Some(file) = file {
        let path = PathBuf::from(file);
        let pem = std::fs::read(&path).map_err(|error| wrong(FILE, &path, &error.to_string()))?;
        let before = found.len();
        read(&pem, &mut found);
        if found.len() == before {
            return Err(wrong(FILE, &path, "holds no PEM certificate that can be used"));
        }
    }
    for folder in folders.iter().flat_map(std::env::split_paths) {
        let entries = std::fs::read_dir(&folder);
        let entries = entries.map_err(|error| wrong(FOLDER, &folder, &error.to_string()))?;
        // Such folders hold lists and links of other kinds, too.
        let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        for pem in files.filter_map(|path| std::fs::read(path).ok()) {
            read(&pem, &mut found);
        }
    }
    if found.is_empty() {
        let folders = PathBuf::from(folders.unwrap_or_default());
        return Err(wrong(FOLDER, &folders, "holds no PEM certificate that can be used"));
    }
    Ok(Some(found))
}

/// The system's store cannot be read where a variable is empty: its reader takes that for a path.
fn set(name: &'static str) -> Result<Option<OsString>> {
    match std::env::var_os(name) {
        Some(value) if value.is_empty() => {
            Err(Error::Config { setting: name, reason: "is empty; unset it".to_owned() })
        }
        value => Ok(value),
    }
}

/// One old certificate that cannot be used must not make all others useless.
fn read(pem: &[u8], found: &mut Vec<reqwest::Certificate>) {
    for der in CertificateDer::pem_slice_iter(pem).flatten() {
        if RootCertStore::empty().add(der.clone()).is_ok()
            && let Ok(certificate) = reqwest::Certificate::from_der(&der)
        {
            found.push(certificate);
        }
    }
}

fn wrong(setting: &'static str, path: &Path, reason: &str) -> Error {
    Error::Config { setting, reason: format!("{}: {reason}", path.display()) }
}
