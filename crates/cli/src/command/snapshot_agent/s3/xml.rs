//! The little XML that object stores answer with: elements and text, nothing else. What goes beyond is refused.

/// Deepest nesting read; the stores' answers have four levels.
const MAX_DEPTH: usize = 16;

/// Why a text is not such XML.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    #[error("the text ends inside an element")]
    Unfinished,
    #[error("text outside of the root element")]
    OutsideRoot,
    #[error("elements are nested deeper than {} levels", MAX_DEPTH)]
    TooDeep,
    #[error("an element is closed that is not open")]
    Unbalanced,
    #[error("markup that is neither an element nor text")]
    Markup,
    #[error("an element's name is malformed")]
    Name,
    #[error("an entity is malformed or unknown")]
    Entity,
    #[error("not the answer to the request")]
    Unexpected,
}

/// One page of a listing (ListObjectsV2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    /// How to ask for the next page, if there is one.
    pub(super) continuation: Option<String>,
}

/// Reads a page of a listing.
pub(super) fn page(text: &str) -> Result<Page, XmlError> {
    let mut page = Page { keys: Vec::new(), continuation: None };
    let mut truncated = None;
    for (path, content) in leaves(text)? {
        match path.as_str() {
            "ListBucketResult/Contents/Key" => page.keys.push(content),
            "ListBucketResult/IsTruncated" => truncated = Some(content == "true"),
            "ListBucketResult/NextContinuationToken" => {
                page.continuation = Some(content).filter(|token| !token.is_empty())
            }
            _ => {}
        }
    }
    match truncated {
        Some(true) if page.continuation.is_some() => Ok(page),
        Some(false) => Ok(Page { continuation: None, ..page }),
        // Neither a listing that does not say whether it is whole nor one that cannot be continued is of use.
        _ => Err(XmlError::Unexpected),
    }
}

/// Code and message of a store's error; `None` when the text is none.
pub(super) fn refusal(text: &str) -> Option<(String, String)> {
    let mut leaves = leaves(text).ok()?;
    let mut take = |wanted: &str| {
        let at = leaves.iter().position(|(path, _)| path == wanted)?;
        Some(leaves.swap_remove(at).1)
    };
    Some((take("Error/Code")?, take("Error/Message").unwrap_or_default()))
}

/// The elements without elements inside: their paths from the root, and their texts, in order.
fn leaves(text: &str) -> Result<Vec<(String, String)>, XmlError> {
    let mut rest = without_declaration(text)?;
    let mut leaves = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut content = String::new();
    // Whether the innermost open element has had no element inside so far.
    let mut is_leaf = false;
    let mut had_root = false;
    while let Some((words, tag)) = rest.split_once('<') {
        if !open.is_empty() {
            unescape(words, &mut content)?;
        } else if !words.trim().is_empty() {
            return Err(XmlError::OutsideRoot);
        }
        if tag.starts_with(['!', '?']) {
            return Err(XmlError::Markup);
        }
        let (tag, behind) = tag.split_at(end_of_tag(tag)?);
        rest = behind.get(1..).unwrap_or_default();
        if let Some(name) = tag.strip_prefix('/') {
            if open.last() != Some(&name.trim_end()) {
                return Err(XmlError::Unbalanced);
            }
            if is_leaf {
                leaves.push((open.join("/"), std::mem::take(&mut content)));
            }
            open.pop();
            is_leaf = false;
            continue;
        }
        if open.is_empty() && had_root {
            return Err(XmlError::OutsideRoot);
        }
        if open.len() == MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        had_root = true;
        open.push(name(tag)?);
        content.clear();
        is_leaf = true;
        if tag.ends_with('/') {
            leaves.push((open.join("/"), String::new()));
            open.pop();
            is_leaf = false;
        }
    }
    match (open.is_empty() && had_root, rest.trim().is_empty()) {
        (true, true) => Ok(leaves),
        (true, false) => Err(XmlError::OutsideRoot),
        (false, _) => Err(XmlError::Unfinished),
    }
}

fn without_declaration(text: &str) -> Result<&str, XmlError> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text.strip_prefix("<?xml") {
        None => Ok(text),
        Some(rest) => rest.split_once("?>").map(|(_, rest)| rest).ok_or(XmlError::Unfinished),
    }
}

/// Where the `>` of a tag stands; one in an attribute's value ends nothing.
fn end_of_tag(tag: &str) -> Result<usize, XmlError> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Ok(at),
            (None, '<') => return Err(XmlError::Markup),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    Err(XmlError::Unfinished)
}

/// The name in a start tag; attributes, namespaces among them, say nothing we need.
fn name(tag: &str) -> Result<&str, XmlError> {
    let tag = tag.strip_suffix('/').unwrap_or(tag);
    let name = tag.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if name.is_empty() || !name.chars().all(is_name) { Err(XmlError::Name) } else { Ok(name) }
}

/// Adds a text to `out` with its entities resolved.
fn unescape(text: &str, out: &mut String) -> Result<(), XmlError> {
    let mut rest = text;
    while let Some((plain, entity)) = rest.split_once('&') {
        out.push_str(plain);
        let (entity, behind) = entity.split_once(';').ok_or(XmlError::Entity)?;
        out.push(character(entity).ok_or(XmlError::Entity)?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(())
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let code = entity.strip_prefix('#')?;
            let (digits, base) = code.strip_prefix('x').map_or((code, 10), |digits| (digits, 16));
            // The number reader takes a sign, XML does not.
            if digits.starts_with('+') {
                return None;
            }
            char::from_u32(u32::from_str_radix(digits, base).ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>
  <IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>
  <Contents><Key>p/consul-1.snap</Key><Owner><ID>x</ID></Owner></Contents>
  <Contents><Key>p/&lt;&#x26;&#38;&apos;&quot;&gt;</Key><Size>7</Size></Contents>
  <CommonPrefixes><Prefix>Key</Prefix></CommonPrefixes>
</ListBucketResult>"#;
        let keys = vec!["p/consul-1.snap".to_string(), "p/<&&'\">".to_string()];
        assert_eq!(page(text), Ok(Page { keys, continuation: Some("a&b=".to_string()) }));
    }

    #[test]
    fn the_last_page_has_no_continuation() {
        let text = "<ListBucketResult><NextContinuationToken/><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(page(text), Ok(Page { keys: Vec::new(), continuation: None }));
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        let table = [
            ("", XmlError::Unfinished),
            ("<a>", XmlError::Unfinished),
            ("<a", XmlError::Unfinished),
            ("<a b='>", XmlError::Unfinished),
            ("<?xml", XmlError::Unfinished),
            ("<a></b>", XmlError::Unbalanced),
            ("</a>", XmlError::Unbalanced),
            ("<a/><b/>", XmlError::OutsideRoot),
            ("<a/>b", XmlError::OutsideRoot),
            ("b<a/>", XmlError::OutsideRoot),
            ("<a <b>", XmlError::Markup),
            ("<!DOCTYPE a><a/>", XmlError::Markup),
            ("<a><![CDATA[x]]></a>", XmlError::Markup),
            ("<a><!-- x --></a>", XmlError::Markup),
            ("<></>", XmlError::Name),
            ("<a&b/>", XmlError::Name),
            ("<a>&b;</a>", XmlError::Entity),
            ("<a>&lt</a>", XmlError::Entity),
            ("<a>&#+9;</a>", XmlError::Entity),
            ("<a>&#xD800;</a>", XmlError::Entity),
            ("<html><body>Welcome</body></html>", XmlError::Unexpected),
            ("<ListBucketResult/>", XmlError::Unexpected),
            ("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", XmlError::Unexpected),
        ];
        for (text, error) in table {
            assert_eq!(page(text), Err(error), "{text}");
        }
        assert_eq!(page(&"<a>".repeat(MAX_DEPTH + 1)), Err(XmlError::TooDeep));
    }

    #[test]
    fn errors_have_a_code_and_a_message() {
        let text = "<Error><Code>NoSuchBucket</Code><Message>Not here.</Message><BucketName>b</BucketName></Error>";
        assert_eq!(refusal(text), Some(("NoSuchBucket".to_string(), "Not here.".to_string())));
        assert_eq!(refusal("<Error><Code>Busy</Code></Error>"), Some(("Busy".to_string(), String::new())));
        assert_eq!(refusal("<html/>"), None);
        assert_eq!(refusal("busy"), None);
    }
}
