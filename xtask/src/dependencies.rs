//! Dependencies between the project's own crates point one way.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::metadata;

/// Which of the project's crates each one may depend on. ARCHITECTURE.md has it as a picture.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("reseat-core", &[]),
    ("reseat", &["reseat-core"]),
    ("fake-gpu", &[]),
    ("reseat-vm", &[]),
    ("reseat-scenarios", &["fake-gpu", "reseat-vm"]),
    ("xtask", &["fake-gpu", "reseat-scenarios", "reseat-vm"]),
];

/// Holds `cargo metadata` against the list.
pub(crate) fn check() -> Result<()> {
    let found = own_dependencies(metadata()?)?;
    let wrong = violations(&found);
    if !wrong.is_empty() {
        bail!("dependencies that ARCHITECTURE.md does not have:\n{}", wrong.join("\n"));
    }
    println!("dependencies between the {} crates: as in ARCHITECTURE.md", found.len());
    Ok(())
}

/// Each crate of the workspace with those of the workspace that it depends on, in whatever way.
fn own_dependencies(metadata: &Value) -> Result<BTreeMap<String, Vec<String>>> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().with_context(|| format!("no `{key}`"));
    let name = |value: &Value| value["name"].as_str().map(str::to_owned).context("no `name`");
    let packages = list(metadata, "packages")?;
    packages
        .iter()
        .map(|package| {
            // What comes from a registry has a source; what is our own has a path.
            let own = list(package, "dependencies")?
                .into_iter()
                .filter(|dependency| dependency["source"].is_null());
            Ok((
                name(package)?,
                own.map(|dependency| name(&dependency)).collect::<Result<_>>()?,
            ))
        })
        .collect()
}

fn violations(found: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for (package, dependencies) in found {
        let Some(allowed) = allowed.get(package.as_str()) else {
            wrong.push(format!("{package} is not in the list"));
            continue;
        };
        let more = dependencies
            .iter()
            .filter(|dependency| !allowed.contains(&dependency.as_str()));
        wrong.extend(more.map(|dependency| format!("{package} depends on {dependency}")));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(package: &str, dependency: &str) -> Value {
        serde_json::json!({"packages": [{"name": package, "dependencies": [
            {"name": dependency, "source": null},
            {"name": "serde", "source": "registry+somewhere"},
        ]}]})
    }

    #[test]
    fn a_dependency_in_the_list_is_fine() {
        let found = own_dependencies(&described("reseat", "reseat-core")).unwrap();
        assert_eq!(violations(&found), Vec::<String>::new());
    }

    #[test]
    fn a_dependency_against_the_direction_is_named() {
        let found = own_dependencies(&described("fake-gpu", "reseat-core")).unwrap();
        assert_eq!(violations(&found), ["fake-gpu depends on reseat-core"]);
        let found = own_dependencies(&described("newcomer", "reseat-core")).unwrap();
        assert_eq!(violations(&found), ["newcomer is not in the list"]);
    }
}
