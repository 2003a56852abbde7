//! Paths as Go's `path` package treats them: as bytes, and by their text alone.

/// Returns the shortest path that means the same: without empty parts, `.`, and `..` after a
/// name. An empty one becomes `.`.
pub fn go_clean_path(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(&last) if last != b".." => {
                    parts.pop();
                }
                _ if is_rooted => {}
                _ => parts.push(part),
            },
            name => parts.push(name),
        }
    }
    let cleaned = parts.join(&b'/');
    match (is_rooted, cleaned.is_empty()) {
        (true, _) => [b"/", &*cleaned].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => cleaned,
    }
}

/// Returns the clean path of `name` in `folder`. Either may be empty, and is left out then.
pub fn go_join_path(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match (folder, name) {
        (b"", b"") => Vec::new(),
        (b"", one) | (one, b"") => go_clean_path(one),
        _ => go_clean_path(&[folder, b"/", name].concat()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, clean) in [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/../a", "/a"),
            ("..", ".."),
            ("../../a", "../../a"),
            ("a/..", "."),
            ("a/../..", ".."),
            ("a//b/./c/", "a/b/c"),
            ("/a/b/../c", "/a/c"),
            ("./...", "..."),
        ] {
            assert_eq!(go_clean_path(path.as_bytes()), clean.as_bytes(), "{path}");
        }
        for (folder, name, joined) in
            [("", "", ""), ("", "a/", "a"), ("a", "", "a"), ("/", "a", "/a"), ("a", "../b", "b")]
        {
            let path = go_join_path(folder.as_bytes(), name.as_bytes());
            assert_eq!(path, joined.as_bytes(), "{folder} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_clean_path_stays_as_it_is(path in "[a./]{0,12}") {
            let clean = go_clean_path(path.as_bytes());
            prop_assert_eq!(go_clean_path(&clean), clean);
        }
    }
}
