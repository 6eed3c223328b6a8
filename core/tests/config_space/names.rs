//! Names are unique: no two public types of this crate share one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = directories.iter().flat_map(|directory| sources(directory));
    files.into_iter().chain(below).collect()
}

/// Returns the name of the public type that a line defines.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    rest.split(|character: char| !character.is_alphanumeric()).next()
}

#[test]
fn public_types_have_names_of_their_own() {
    let mut defined: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for name in text.lines().filter_map(public_type) {
            defined.entry(name.to_owned()).or_default().push(path.clone());
        }
    }
    assert!(defined.len() > 150, "only {} types were found", defined.len());
    defined.retain(|_, places| places.len() > 1);
    assert!(defined.is_empty(), "{defined:#?}");
}
