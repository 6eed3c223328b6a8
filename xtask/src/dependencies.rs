//! Dependencies between the project's own crates point one way, and the boot claim has none that only the operator needs.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::run::{cargo, metadata, output};

/// Which of the project's crates each one may depend on. ARCHITECTURE.md has it as a picture.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("reseat-core", &[]),
    ("reseat", &["reseat-core"]),
    ("fake-gpu", &[]),
    ("reseat-vm", &[]),
    ("reseat-scenarios", &["fake-gpu", "reseat-vm"]),
    ("xtask", &["fake-gpu", "reseat-scenarios", "reseat-vm"]),
];

/// Libraries that only the operator's command needs. An initramfs carries none of them.
const OPERATORS: [&str; 5] = ["base64", "crc32fast", "jiff", "sha2", "vm-memory"];

/// Holds the workspace and the boot claim against the lists.
pub(crate) fn check() -> Result<()> {
    workspace()?;
    claim()
}

fn claim() -> Result<()> {
    let tree = output(&mut cargo(&[
        "tree",
        "--package",
        "reseat",
        "--no-default-features",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]))?;
    let found = operators(&tree)?;
    ensure!(found.is_empty(), "reseat-claim depends on {}", found.join(", "));
    println!("dependencies of reseat-claim: none of {}", OPERATORS.join(", "));
    Ok(())
}

/// The operator's libraries in a tree as `cargo tree` prints it, each crate on a line of its own.
fn operators(tree: &str) -> Result<Vec<&str>> {
    let names = || tree.lines().filter_map(|line| line.split_whitespace().next());
    // Without the package itself it is the tree of something else.
    ensure!(names().any(|name| name == "reseat"), "cargo tree printed:\n{tree}");
    let found = OPERATORS
        .into_iter()
        .filter(|library| names().any(|name| name == *library));
    Ok(found.collect())
}

/// Holds `cargo metadata` against the list.
fn workspace() -> Result<()> {
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
    fn a_library_of_the_operator_in_the_claim_is_named() {
        let with = |lines: &str| format!("reseat v0.1.0 (/initramfs-tool)\nserde v1.0.229\n{lines}");
        assert_eq!(operators(&with("jiff-static v1.0.2\n")).unwrap(), Vec::<&str>::new());
        for library in OPERATORS {
            assert_eq!(operators(&with(&format!("{library} v1.0.2\n"))).unwrap(), [library]);
        }
        assert_eq!(
            operators(&with("sha2 v0.11.1\nbase64 v0.23.1 (*)")).unwrap(),
            ["base64", "sha2"]
        );
        assert!(operators("").is_err());
    }

    #[test]
    fn a_dependency_against_the_direction_is_named() {
        let found = own_dependencies(&described("fake-gpu", "reseat-core")).unwrap();
        assert_eq!(violations(&found), ["fake-gpu depends on reseat-core"]);
        let found = own_dependencies(&described("newcomer", "reseat-core")).unwrap();
        assert_eq!(violations(&found), ["newcomer is not in the list"]);
    }
}
