//! Keys as paths.

/// `prefix` and `key` as one path without empty, `.` and `..` parts. A slash at the key's end stays.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    let whole = match (prefix.is_empty(), key.is_empty()) {
        (true, _) => key.to_string(),
        (false, true) => prefix.to_string(),
        (false, false) => format!("{prefix}/{key}"),
    };
    if whole.is_empty() {
        return whole;
    }
    let rooted = whole.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let clean = match (rooted, path.is_empty()) {
        (true, _) => format!("/{path}"),
        (false, true) => ".".to_string(),
        (false, false) => path,
    };
    if key.ends_with('/') && !clean.ends_with('/') { format!("{clean}/") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cleaned_as_paths() {
        for (prefix, key, want) in [
            ("", "a/b", "a/b"),
            ("", "a//b", "a/b"),
            ("", "f//1/../2", "f/2"),
            ("", "dir/", "dir/"),
            ("p", "dir/", "p/dir/"),
            ("p/", "a", "p/a"),
            ("", "/a", "/a"),
            ("", "../a", "../a"),
            ("a", "..", "."),
            ("", "", ""),
        ] {
            assert_eq!(join(prefix, key), want, "{prefix} {key}");
        }
    }
}
