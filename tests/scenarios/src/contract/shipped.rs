//! The schemas that ship with the program.

use std::sync::LazyLock;

use anyhow::{Result, anyhow, ensure};
use jsonschema::Validator;
use serde_json::Value;

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("../../../../initramfs-tool/schemas/", $name, ".schema.json"))),*]
    };
}

/// Those of what the stories have it print.
static SCHEMAS: LazyLock<Vec<Result<Validator>>> = LazyLock::new(|| {
    let schemas = schemas![
        "claim",
        "evidence-list",
        "history",
        "inventory",
        "quarantine",
        "recovery-event"
    ];
    schemas.into_iter().map(validator).collect()
});

fn validator(schema: &str) -> Result<Validator> {
    let schema = serde_json::from_str(schema)?;
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).map_err(|error| anyhow!("no schema: {error}"))
}

/// Checks that one of them allows a document.
pub(super) fn check(document: &Value) -> Result<()> {
    let mut is_valid = false;
    for schema in SCHEMAS.iter() {
        let schema = schema.as_ref().map_err(|error| anyhow!("{error}"))?;
        is_valid |= schema.is_valid(document);
    }
    ensure!(is_valid, "no schema allows this: {document:#}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_schema_allows_is_refused() {
        let lists = |more: &str| {
            let text = format!("{{\"schema\": \"reseat.inventory/2\", \"gpus\": [], \"problems\": []{more}}}");
            check(&serde_json::from_str(&text).unwrap())
        };
        assert!(lists("").is_ok());
        assert!(lists(", \"more\": 1").is_err());
    }
}
