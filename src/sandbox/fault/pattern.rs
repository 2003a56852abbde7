//! Which requests are meant.

use std::str::FromStr;

use axum::http::Method;

/// Some requests, by method and path: `POST /v1/apps/web/machines/*/lease`.
///
/// The method may be `*`. The path is what a request's path begins with; the query is not
/// looked at. A `*` in it stands for any characters but `/`, and a `$` at its end for the end
/// of the request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPattern {
    /// Nothing is any method.
    method: Option<Method>,
    path: String,
}

impl RequestPattern {
    /// Returns whether a request is meant; `path` is without its query.
    pub fn matches(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && begins(path, &self.path)
    }
}

/// Whether `path` begins with what `pattern` describes.
fn begins(path: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return match pattern.strip_suffix('$') {
            Some(whole) => path == whole,
            None => path.starts_with(pattern),
        };
    };
    let Some(rest) = path.strip_prefix(before) else { return false };
    let segment = rest.split('/').next().unwrap_or_default();
    let mut ends = segment.char_indices().map(|(at, _)| at).chain([segment.len()]);
    ends.any(|end| rest.get(end..).is_some_and(|rest| begins(rest, after)))
}

/// The text describes no requests.
impl FromStr for RequestPattern {
    type Err = super::ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (method, path) = text.trim().split_once(' ')?;
            let method = match method {
                "*" => None,
                word => Some(Method::from_bytes(word.to_ascii_uppercase().as_bytes()).ok()?),
            };
            let path = path.trim();
            let fine = path.starts_with('/') && !path.contains(char::is_whitespace);
            fine.then(|| Self { method, path: path.to_owned() })
        };
        read().ok_or_else(|| super::ParseFaultError::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_segment_or_a_part_of_one() {
        let meant = |pattern: &str, path: &str| {
            pattern.parse::<RequestPattern>().unwrap().matches(&Method::POST, path)
        };
        for (pattern, path, expected) in [
            ("POST /v1", "/v1/apps", true),
            ("* /v1", "/v1/apps", true),
            ("GET /v1", "/v1/apps", false),
            ("post /v1/apps/*/machines/*/lease", "/v1/apps/web/machines/e1/lease", true),
            ("POST /v1/apps/*/machines/*/lease", "/v1/apps/web/machines/e1/start", false),
            ("POST /v1/apps/*/lease", "/v1/apps/web/machines/e1/lease", false),
            ("POST /v1/apps/w*b/machines", "/v1/apps/wxyb/machines", true),
            ("POST /v1/apps/web/machines$", "/v1/apps/web/machines", true),
            ("POST /v1/apps/web/machines$", "/v1/apps/web/machines/e1", false),
            ("POST /v1/apps/*/machines/*$", "/v1/apps/web/machines/e1", true),
            ("POST /v1/apps/*/machines/*$", "/v1/apps/web/machines/e1/lease", false),
        ] {
            assert_eq!(meant(pattern, path), expected, "{pattern} {path}");
        }
        for wrong in ["/v1", "GET v1", "GET", "G@T /v1", "GET /v1 /v2"] {
            assert!(wrong.parse::<RequestPattern>().is_err(), "{wrong}");
        }
    }
}
