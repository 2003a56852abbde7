//! Foreign text: capped before it is kept, cleaned before it is shown.

use reqwest::Response;

use super::Error;
use super::error::without_query;

/// The most characters of foreign text that are shown.
const SHOWN_CHARS: usize = 4096;

/// Makes foreign text fit to be shown: no control characters, no more than 4096
/// characters, white space folded at the ends.
pub fn clean(text: &str) -> String {
    let mut shown: String = text
        .trim()
        .chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS + 1)
        .collect();
    if shown.chars().count() > SHOWN_CHARS {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Reads the body of `response`, at most `limit_bytes` of it.
///
/// # Errors
///
/// Fails when the body is larger, or breaks off.
pub async fn read_capped(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, Error> {
    let url = response.url().clone();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit_bytes => {
                return Err(Error::TooLarge { url: without_query(&url), limit_bytes });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => {
                return Err(Error::transport(&reqwest::Method::GET, &url, &error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(clean("\x1b[2Jgone\r\nnext\tword\n"), "[2Jgone next word");
        assert_eq!(clean(&"é".repeat(9000)).chars().count(), SHOWN_CHARS + 1);
    }
}
