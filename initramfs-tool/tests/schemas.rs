//! The schemas that ship with the program, against what the program prints.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod two_gpus;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Value, json};
use two_gpus::Machine;

/// All schemas, by name.
fn schemas() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let schemas = files.map(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let name = name.strip_suffix(".schema.json").unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(&file).unwrap()).unwrap())
    });
    schemas.collect()
}

fn validator(name: &str) -> Validator {
    let schemas = schemas();
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schemas[name]).unwrap()
}

/// Checks a document, and that no document beside it is valid: with a key less, a key more, or a value of another type.
#[track_caller]
fn assert_fits(schema: &str, document: &Value) {
    let validator = validator(schema);
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{document:#}");
    for (place, mutant) in mutants(document) {
        assert!(
            !validator.is_valid(&mutant),
            "{schema}: still valid: {place}\n{mutant:#}"
        );
    }
}

/// Objects with any keys.
const MAPS: [&str; 2] = ["evidence", "attributes"];

/// Documents that differ from this one in one place.
fn mutants(document: &Value) -> Vec<(String, Value)> {
    let mut mutants = Vec::new();
    for pointer in pointers(document, "") {
        let replaced = |value: Value| {
            let mut mutant = document.clone();
            *mutant.pointer_mut(&pointer).unwrap() = value;
            mutant
        };
        let other_type = json!({"mutant": 1});
        mutants.push((format!("{pointer} is an object"), replaced(other_type)));
        let is_map = MAPS.iter().any(|map| pointer.ends_with(&format!("/{map}")));
        let Some(Value::Object(fields)) = document.pointer(&pointer).filter(|_| !is_map) else {
            continue;
        };
        let mut more = fields.clone();
        more.insert("mutant".to_owned(), json!(1));
        mutants.push((format!("{pointer} has another key"), replaced(more.into())));
        for key in fields.keys() {
            let mut less = fields.clone();
            less.remove(key);
            mutants.push((format!("{pointer} lacks {key}"), replaced(less.into())));
        }
    }
    mutants
}

/// The places in a document.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    match value {
        Value::Array(items) => {
            let places = items.iter().enumerate();
            all.extend(places.flat_map(|(index, item)| pointers(item, &format!("{at}/{index}"))));
        }
        Value::Object(fields) => {
            let places = fields.iter();
            all.extend(places.flat_map(|(key, item)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(item, &format!("{at}/{key}"))
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

/// Standard output of a command on a machine.
fn printed(machine: &Machine, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let output = command
        .args(arguments)
        .arg("--root")
        .arg(machine.root())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Its only document.
#[track_caller]
fn document(machine: &Machine, arguments: &[&str]) -> Value {
    let printed = printed(machine, arguments);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
}

#[test]
fn every_schema_is_one_and_closed() {
    for (name, schema) in schemas() {
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        for pointer in pointers(&schema, "") {
            let object = schema.pointer(&pointer).unwrap();
            if object.get("properties").is_some_and(Value::is_object) && object.get("type") == Some(&json!("object")) {
                assert_eq!(object["additionalProperties"], false, "{name}: {pointer}");
            }
        }
    }
}

#[test]
fn what_schemas_share_is_the_same_in_all() {
    let mut known = BTreeMap::new();
    for (name, schema) in schemas() {
        for (definition, content) in schema["$defs"].as_object().into_iter().flatten() {
            let (first, same) = known
                .entry(definition.clone())
                .or_insert_with(|| (name.clone(), content.clone()));
            assert_eq!(same, content, "`{definition}` of {first} and of {name}");
        }
    }
    let mut finding = schemas()["finding"].clone();
    let fields = finding.as_object_mut().unwrap();
    fields.remove("$schema");
    fields.remove("title");
    assert_eq!(finding, known["finding"].1);
}

#[test]
fn errors() {
    let machine = Machine::new("");
    for arguments in [
        &["recover", "10de:2489", "--json"][..],
        &["recover", "--json"],
        &["decode", "--json", "--hex", "/nowhere"],
        &["report", "--json"],
    ] {
        let document = document(&machine, arguments);
        assert_fits("error", &document);
        assert_fits("finding", &document["findings"][0]);
    }
}

#[test]
fn inventories() {
    let machine = Machine::new("");
    assert_fits("inventory", &document(&machine, &["inventory", "--json"]));
    machine.write("sys/bus/pci/devices/0000:02:00.0/class", "0x03");
    let document = document(&machine, &["inventory", "--json"]);
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(1), "{document:#}");
    assert_fits("inventory", &document);
}
