//! Reads `Content-Disposition` of a multipart part so that every file name arrives as it was
//! meant: `filename*` (RFC 8187) first, else the quoted form as browsers write it (WHATWG: raw
//! UTF-8, with `%22`, `%0D` and `%0A` for what cannot stand in quotes; a backslash is itself).

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: Option<String>,
    pub(super) file_name: Option<String>,
}

pub(super) fn parse(header: &[u8]) -> Disposition {
    let mut found = Disposition::default();
    let mut extended = None;
    let mut rest = after(header, b';');
    while !rest.is_empty() {
        let (key, value, next) = parameter(rest);
        match key.to_ascii_lowercase().as_slice() {
            b"name" => found.name = found.name.or_else(|| Some(browser_decoded(value))),
            b"filename" => {
                found.file_name = found.file_name.or_else(|| Some(browser_decoded(value)));
            }
            b"filename*" => extended = extended.or_else(|| extended_decoded(value)),
            _ => {}
        }
        rest = next;
    }
    found.file_name = extended.or(found.file_name);
    found
}

fn after(bytes: &[u8], separator: u8) -> &[u8] {
    match bytes.iter().position(|&byte| byte == separator) {
        Some(place) => &bytes[place + 1..],
        None => &[],
    }
}

/// Splits `key=value` or `key="value"` off; a value in quotes may hold semicolons.
fn parameter(bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b';' || byte == b'=').unwrap_or(bytes.len());
    let key = bytes[..end].trim_ascii();
    if bytes.get(end) != Some(&b'=') {
        return (key, &[], after(&bytes[end..], b';'));
    }
    let value = bytes[end + 1..].trim_ascii_start();
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let close = quoted.iter().position(|&byte| byte == b'"').unwrap_or(quoted.len());
        return (key, &quoted[..close], after(&quoted[close..], b';'));
    }
    let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    (key, value[..end].trim_ascii_end(), after(&value[end..], b';'))
}

fn browser_decoded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

fn extended_decoded(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut source = encoded.bytes();
    while let Some(byte) = source.next() {
        bytes.push(if byte == b'%' {
            hex(source.next()?)? * 16 + hex(source.next()?)?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn file_name(header: &str) -> Option<String> {
        parse(header.as_bytes()).file_name
    }

    #[test]
    fn file_names_arrive_as_they_were_meant() {
        for (header, name) in [
            ("form-data; name=\"files\"; filename=\"a.pdf\"", "a.pdf"),
            ("form-data; name=files; filename=a.pdf", "a.pdf"),
            ("form-data; filename=\"a;b=c.pdf\"; name=\"files\"", "a;b=c.pdf"),
            ("form-data; filename=\"say %22hi%22%0D%0A.pdf\"", "say \"hi\"\r\n.pdf"),
            ("form-data; filename=\"100%.pdf\"", "100%.pdf"),
            ("form-data; filename=\"factură €.pdf\"", "factură €.pdf"),
            ("form-data; filename=\"C:\\\\x\"", "C:\\\\x"),
            (
                "form-data; filename=\"x\"; filename*=UTF-8''na%C3%AFve%20%22q%22%0A.pdf",
                "naïve \"q\"\n.pdf",
            ),
            ("form-data; FILENAME*=utf-8'en'a%25b; filename=\"x\"", "a%b"),
            ("form-data; filename=\"x\"; filename*=UTF-8''%FF", "x"),
            ("form-data; filename=\"x\"; filename*=UTF-8''%4", "x"),
            ("form-data; filename=\"open", "open"),
        ] {
            assert_eq!(file_name(header).as_deref(), Some(name), "{header}");
        }
        for header in ["", "form-data", ";;=;", "form-data; name=\"filename\"", "; filename"] {
            assert!(file_name(header).unwrap_or_default().is_empty(), "{header}");
        }
    }
}
