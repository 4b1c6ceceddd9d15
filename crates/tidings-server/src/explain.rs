//! What `tidings explain CODE` prints, and the reference page of errors is made of: the API's one table of codes, as text.

use crate::api::codes::{Code, Row};

/// Every code, in the table's order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    Code::ALL.iter().map(|code| code.name())
}

/// What a code means and what to do about it, as a few paragraphs; none for a code that is not in the table.
pub fn explain(code: &str) -> Option<String> {
    let Row { name, status, title, remedy, explanation, .. } =
        Code::ALL.iter().map(|code| code.row()).find(|row| row.name == code)?;
    Some(format!("{name} (HTTP {}): {title}\n\n{explanation}\n\nWhat to do: {remedy}\n", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        assert!(codes().count() > 20);
        for code in codes() {
            let text = explain(code).unwrap();
            assert!(text.starts_with(&format!("{code} (HTTP ")), "{text}");
            assert!(text.contains("\n\nWhat to do: "), "{text}");
        }
        assert_eq!(explain("no_such_code"), None);
    }
}
