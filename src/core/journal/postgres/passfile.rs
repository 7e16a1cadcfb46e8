//! The password file of libpq: `PGPASSFILE`, or `.pgpass` in the home folder.

use std::path::PathBuf;

use ::postgres::Config;
use ::postgres::config::Host;

/// The password of the first line that fits; none where the file is open to others, as with libpq.
pub(super) fn password(config: &Config) -> Option<String> {
    let path = path()?;
    if !is_private(&path) {
        log::warn!(
            target: "extracta_rs",
            "{}: the password file is not read, since others can read it: chmod 600", path.display()
        );
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(_) => "localhost".to_owned(),
        None => config.get_hostaddrs().first()?.to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    find(&text, [&host, &port, database, user])
}

fn path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = set("PGPASSFILE").or_else(|| {
        let windows = set("APPDATA").map(|data| data.join("postgresql").join("pgpass.conf"));
        let home = set("HOME").map(|home| home.join(".pgpass"));
        if cfg!(windows) { windows } else { home }
    })?;
    path.is_file().then_some(path)
}

#[cfg(unix)]
fn is_private(path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.mode().trailing_zeros() >= 6)
}

#[cfg(not(unix))]
fn is_private(_path: &std::path::Path) -> bool {
    true
}

fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, named) = fields.split_last()?;
        let fits = named.len() == wanted.len()
            && named.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| password.clone())
    })
}

/// Fields end with a colon; a backslash makes the next character an ordinary one.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            character => {
                let plain = if character == '\\' { characters.next() } else { Some(character) };
                if let (Some(field), Some(plain)) = (fields.last_mut(), plain) {
                    field.push(plain);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# db:5432:d:me:no\nother:5432:*:*:no\nd\\:b:*:*:me:a\\:b\\\\c\n*:*:*:*:last";
        assert_eq!(find(text, ["d:b", "1", "d", "me"]).as_deref(), Some("a:b\\c"));
        assert_eq!(find(text, ["db", "5432", "d", "me"]).as_deref(), Some("last"));
        assert_eq!(find("db:5432:d:me", ["db", "5432", "d", "me"]), None);
    }
}
