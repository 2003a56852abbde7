//! Tokens: whatever a macaroon holds, it can be told of without showing it.
#![no_main]

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use snowbird::fly::{Token, TokenSource};

fuzz_target!(|bytes: &[u8]| {
    let macaroon = format!("fm2_{}", STANDARD.encode(bytes));
    let whole = Token::parse(&macaroon).expect("a macaroon by its beginning is a token");
    assert_eq!(whole.registry_password().get().expose(), macaroon);
    let source = TokenSource::Variable("FLY_API_TOKEN".to_owned());
    let list = format!("FlyV1 {macaroon},fo1_user");
    let (token, warnings) = Token::found(&list, source, SystemTime::now()).expect("a token");
    let facts = token.facts();
    let told = format!("{facts} {facts:?} {token:?} {warnings:?}");
    assert!(!told.contains(&macaroon) && !told.contains("fo1_user"), "{told}");
    // The text itself may be anything that others wrote.
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(token) = Token::parse(text)
    {
        assert!(token.machines_authorization().is_sensitive());
    }
});
