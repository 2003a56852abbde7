//! As much of Rust's grammar as it takes to see what a file imports.

/// Returns `text` with blanks in place of comments and of what is in quotes.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| raw_string(rest)).or_else(|| quoted(rest));
        let (length, shown) = match skipped {
            Some(length) => (length, ' '),
            None => (first.len_utf8(), first),
        };
        // A name that ends in `r` is no raw string.
        if skipped.is_none() && first.is_alphanumeric() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            code.push_str(&rest[..word]);
            rest = &rest[word..];
            continue;
        }
        code.push(shown);
        rest = &rest[length..];
    }
    code
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

fn raw_string(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = inner.find(|c| c != '#')?;
    inner[hashes..].strip_prefix('"')?;
    let begin = text.len() - inner.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len()))
}

/// Returns the length of a string or character, but not of a lifetime.
fn quoted(text: &str) -> Option<usize> {
    let inner =
        text.strip_prefix(['b', 'c']).filter(|i| i.starts_with(['"', '\''])).unwrap_or(text);
    let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut escaped = false;
    let begin = text.len() - inner.len() + 1;
    for (at, c) in text[begin..].char_indices() {
        // A character is one, or one that is escaped; `'a` without an end is a lifetime.
        if quote == '\'' && !escaped && at > 0 && c != '\'' && !text[begin..].starts_with('\\') {
            return None;
        }
        if c == quote && !escaped {
            return Some(begin + at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// Returns the paths in `code` that begin at the root of the crate, for a file that stands
/// `depth` modules below it: those that begin with `crate`, and those that climb up.
pub(crate) fn paths_from_root(code: &str, depth: usize) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    // For each open brace, whether it is that of a module.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "{" => braces.push(at >= 2 && tokens[at - 2] == "mod"),
            "}" => drop(braces.pop()),
            "crate" | "super" if at == 0 || tokens[at - 1] != "::" => {
                let depth = depth + braces.iter().filter(|is_module| **is_module).count();
                at = tree(&tokens, at, &mut Vec::new(), depth, &mut paths);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Reads one path or tree of paths; `depth` modules are below what `prefix` names, while it
/// climbs. Returns what follows.
fn tree(
    tokens: &[&str],
    mut at: usize,
    prefix: &mut Vec<String>,
    mut depth: usize,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let length = prefix.len();
    loop {
        match tokens.get(at).copied() {
            Some("crate") => depth = 0,
            Some("super") => depth = depth.saturating_sub(1),
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = tree(tokens, at, prefix, depth, paths);
                    // `as name` and the comma.
                    while tokens.get(at).is_some_and(|token| !matches!(*token, "," | "}")) {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                prefix.truncate(length);
                return at + 1;
            }
            Some(name) => prefix.push(name.to_owned()),
            None => break,
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    if depth == 0 && tokens.get(at.wrapping_sub(1)) != Some(&"self") {
        // `pub(crate)` imports nothing.
        if !(prefix.is_empty() && tokens.get(at) == Some(&")")) {
            paths.push(prefix.clone());
        }
    } else if depth == 0 {
        paths.push(prefix[..prefix.len() - 1].to_vec());
    }
    prefix.truncate(length);
    at
}

/// Cuts code into words, `::` and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}
