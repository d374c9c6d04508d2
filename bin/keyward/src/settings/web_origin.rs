/// Reads an entry of `CORS_ORIGINS`: `scheme://host`, maybe with a port, or `*`.
///
/// Browsers send the origin in exactly one spelling, and it is compared as text: an entry that no
/// browser can send would be a hole or a riddle, so it is refused. The error is a phrase.
pub(super) fn parse(text: &str) -> Result<String, String> {
    if text == ANY {
        return Ok(text.to_owned());
    }
    let expected = || "write an origin such as https://app.example.com".to_owned();
    let url = url::Url::parse(text).map_err(|_| expected())?;
    if text.contains('*') {
        return Err("a part cannot be left open; list each origin".to_owned());
    }
    let origin = url.origin().ascii_serialization();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(expected());
    }
    if origin != text {
        return Err(format!("browsers would send it as {origin}; write that"));
    }
    Ok(origin)
}

/// The entry that stands for every origin.
pub(super) const ANY: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_is_an_origin() {
        for origin in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]:81",
            "*",
        ] {
            assert_eq!(parse(origin).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        let refused = [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://user@app.example.com",
            "https://*.example.com",
            "null",
            "file:///etc",
            "javascript:alert(1)",
        ];
        for text in refused {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
