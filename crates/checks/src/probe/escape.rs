//! Percent signs in URLs and gRPC messages.

/// Undoes `%XX`; what is no such escape stays as it is, and bytes that are no text become replacement characters.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if let (b'%', [high, low, behind_escape @ ..]) = (byte, behind)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            bytes.push((high << 4) | low);
            rest = behind_escape;
            continue;
        }
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Escapes a text the way forms do: letters, digits and `-_.~` stay, a blank becomes `+`.
pub(super) fn query_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let table = [("a%20b", "a b"), ("%zz%", "%zz%"), ("%C3%A9", "é"), ("%ff", "\u{fffd}"), ("%4", "%4"), ("", "")];
        for (text, expected) in table {
            assert_eq!(percent_decode(text), expected);
        }
    }

    #[test]
    fn paths_of_the_engine_are_escaped() {
        assert_eq!(query_escape("x y/../é~"), "x+y%2F..%2F%C3%A9~");
    }
}
