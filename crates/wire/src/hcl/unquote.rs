//! Text of string and heredoc tokens.

/// The content of a quoted string: escapes resolved, `${…}` untouched. `None` when an escape names no character.
pub(super) fn quoted(content: &str) -> Option<String> {
    if !content.contains('\\') {
        return Some(content.to_owned());
    }
    let mut bytes = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("${") {
            let length = interpolation_length(rest)?;
            bytes.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        } else if character == '\\' {
            rest = unescape(&rest[1..], &mut bytes)?;
        } else {
            bytes.extend_from_slice(&rest.as_bytes()[..character.len_utf8()]);
            rest = &rest[character.len_utf8()..];
        }
    }
    String::from_utf8(bytes).ok()
}

fn interpolation_length(text: &str) -> Option<usize> {
    let mut open_braces = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => open_braces += 1,
            '}' if open_braces == 1 => return Some(at + 1),
            '}' => open_braces -= 1,
            _ => {}
        }
    }
    None
}

/// Resolves the escape whose backslash precedes `text`; what follows it. Octal and `\x` escapes name single bytes.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let plain = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' => kind as u8,
        '0'..='7' => {
            bytes.push(u8::from_str_radix(text.get(..3)?, 8).ok()?);
            return text.get(3..);
        }
        'x' => {
            bytes.push(u8::from_str_radix(text.get(1..3)?, 16).ok()?);
            return text.get(3..);
        }
        'u' | 'U' => {
            let end = if kind == 'u' { 5 } else { 9 };
            let code = u32::from_str_radix(text.get(1..end)?, 16).ok()?;
            // Go writes half a surrogate pair as U+FFFD; beyond Unicode there is nothing to write.
            let character = match code {
                0xd800..=0xdfff => char::REPLACEMENT_CHARACTER,
                code => char::from_u32(code)?,
            };
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return text.get(end..);
        }
        _ => return None,
    };
    bytes.push(plain);
    text.get(1..)
}

/// The content of a heredoc token, which reaches from `<<` to the end of the closing anchor's line. What stands before
/// the closing anchor belongs to the content; with `<<-` it is the indent to take off every line instead, provided all
/// of them have it.
pub(super) fn heredoc(token: &str) -> String {
    let (opening, body) = token.split_once('\n').unwrap_or((token, ""));
    let unindent = opening.starts_with("<<-");
    let anchor = opening.trim_start_matches("<<").trim_start_matches('-');
    let body = body.trim_end_matches(['\r', '\n']);
    let content = body.strip_suffix(anchor).unwrap_or(body);
    if !unindent {
        return content.to_owned();
    }
    let (lines, indent) = match content.rsplit_once('\n') {
        Some((lines, indent)) => (lines, indent),
        None => return String::new(),
    };
    if !lines.split('\n').all(|line| line.starts_with(indent)) {
        return content.trim_end_matches([' ', '\t']).to_owned();
    }
    lines.split('\n').flat_map(|line| [&line[indent.len()..], "\n"]).collect()
}
