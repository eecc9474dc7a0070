//! Checks answers against an OpenAPI document. The checker knows the part of JSON Schema that the document
//! uses and panics at any other. It is stricter than the standard: a member that is not documented is a
//! fault.

use super::http::Response;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Keywords without effect on validity.
const NOTES: [&str; 6] = ["description", "format", "examples", "example", "title", "pattern"];

/// The document, and which of its members answers had so far.
pub struct Document {
    value: Value,
    seen: RefCell<BTreeSet<String>>,
}

/// For each part of an object's schema: its properties, its required members and its name.
type Members<'a> = Vec<(&'a Map<String, Value>, Vec<&'a str>, String)>;

impl Document {
    /// The document in `value`, with components instead of references to answers and headers.
    pub fn new(mut value: Value) -> Self {
        let components = value["components"].clone();
        let paths = value["paths"].as_object_mut().expect("paths").values_mut();
        let operations = paths.flat_map(|path| path.as_object_mut().expect("methods").values_mut());
        for operation in operations {
            for answer in operation["responses"].as_object_mut().expect("responses").values_mut() {
                resolve(&components, answer);
                let headers = answer.get_mut("headers").and_then(Value::as_object_mut);
                headers.into_iter().flatten().for_each(|(_, header)| resolve(&components, header));
            }
        }
        Self { value, seen: RefCell::default() }
    }

    /// The paths with their methods and operations, in the order of the document.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.value["paths"].as_object().expect("paths").iter();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").iter();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// The operation of a path and method.
    #[track_caller]
    pub fn operation(&self, method: &str, path: &str) -> &Value {
        let mut operations = self.operations();
        let found = operations.find(|(found, by, _)| *found == path && by.eq_ignore_ascii_case(method));
        found.unwrap_or_else(|| panic!("{method} {path} is not documented")).2
    }

    /// Panics unless the operation documents an answer with this status, media type and content.
    #[track_caller]
    pub fn expect(&self, method: &str, path: &str, answer: &Response) {
        let responses = &self.operation(method, path)["responses"];
        let response = responses.get(answer.status.to_string());
        let response =
            response.unwrap_or_else(|| panic!("{method} {path}: {} is not documented", answer.status));
        // An answer to HEAD has the content's fields without the content.
        let Some(contents) = response.get("content").filter(|_| method != "HEAD") else {
            assert!(answer.body.is_empty(), "{method} {path}: a body that is not documented");
            return;
        };
        let media_type =
            answer.header("Content-Type").expect("a media type").split(';').next().unwrap().trim();
        let content = contents.get(media_type);
        let content = content.unwrap_or_else(|| panic!("{method} {path}: {media_type} is not documented"));
        if media_type.ends_with("json") {
            let faults = self.faults(&content["schema"], &answer.json());
            assert!(faults.is_empty(), "{method} {path}: {}\n{:#}", faults.join("\n"), answer.json());
        }
    }

    /// The schema of this name.
    #[track_caller]
    pub fn schema(&self, name: &str) -> &Value {
        self.value["components"]["schemas"].get(name).unwrap_or_else(|| panic!("there is no schema {name}"))
    }

    /// The faults of a value, each with its path.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", "", &mut faults);
        faults
    }

    /// The members of named schemas that were absent or null in all checked values, as `Schema.member`.
    pub fn unseen(&self) -> Vec<String> {
        let schemas = self.value["components"]["schemas"].as_object().expect("schemas").iter();
        let documented = schemas.flat_map(|(name, schema)| {
            let parts = schema.get("allOf").and_then(Value::as_array).cloned().unwrap_or_default();
            let all: Vec<Value> = parts.into_iter().chain([schema.clone()]).collect();
            let members =
                all.into_iter().filter_map(|part| Some(part.get("properties")?.as_object()?.clone()));
            members
                .flat_map(move |members| {
                    members.into_iter().map(move |(member, _)| format!("{name}.{member}"))
                })
                .collect::<Vec<_>>()
        });
        let seen = self.seen.borrow();
        documented.filter(|member| !seen.contains(member)).collect()
    }

    fn check(&self, schema: &Value, value: &Value, name: &str, place: &str, faults: &mut Vec<String>) {
        let known = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
        for (word, argument) in known.iter().filter(|(word, _)| !NOTES.contains(&word.as_str())) {
            match word.as_str() {
                "$ref" => {
                    let name = name_of(argument);
                    self.check(self.schema(name), value, name, place, faults);
                }
                "oneOf" => self.check_one_of(argument, value, name, place, faults),
                "allOf" | "properties" | "required" => {}
                "type" => {
                    let types = argument.as_array().cloned().unwrap_or_else(|| vec![argument.clone()]);
                    if !types.iter().any(|kind| is_of_type(value, kind.as_str().expect("a type"))) {
                        faults.push(format!("{place} is not of type {argument}: {value}"));
                    }
                }
                "enum" => {
                    if !argument.as_array().expect("values").contains(value) {
                        faults.push(format!("{place} is none of {argument}: {value}"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(argument, item, name, &format!("{place}[{index}]"), faults);
                    }
                }
                "additionalProperties" => {
                    for (member, item) in value.as_object().into_iter().flatten() {
                        self.check(argument, item, name, &format!("{place}.{member}"), faults);
                    }
                }
                // The names of members are text in any case.
                "propertyNames" => {}
                "minimum" => {
                    if value.as_f64() < argument.as_f64() && value.is_number() {
                        faults.push(format!("{place} is less than {argument}: {value}"));
                    }
                }
                "maximum" => {
                    if value.as_f64() > argument.as_f64() && value.is_number() {
                        faults.push(format!("{place} is more than {argument}: {value}"));
                    }
                }
                "maxItems" => {
                    let most = argument.as_u64().expect("a number");
                    if value.as_array().is_some_and(|items| items.len() as u64 > most) {
                        faults.push(format!("{place} has more than {most} items"));
                    }
                }
                _ => panic!("the checker does not know the word {word}: {schema}"),
            }
        }
        if known.contains_key("allOf") || known.contains_key("properties") {
            self.check_members(schema, value, name, place, faults);
        }
    }

    fn check_one_of(
        &self,
        choices: &Value,
        value: &Value,
        name: &str,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        let choices = choices.as_array().expect("choices").iter();
        let tried: Vec<Vec<String>> = choices
            .map(|choice| {
                let mut faults = Vec::new();
                self.check(choice, value, name, place, &mut faults);
                faults
            })
            .collect();
        match tried.iter().filter(|faults| faults.is_empty()).count() {
            1 => {}
            0 => faults.extend(tried.into_iter().max_by_key(|faults| depth(faults)).unwrap_or_default()),
            count => faults.push(format!("{place} fits {count} of the choices: {value}")),
        }
    }

    fn check_members(
        &self,
        schema: &Value,
        value: &Value,
        name: &str,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        let Some(object) = value.as_object() else {
            faults.push(format!("{place} is no object: {value}"));
            return;
        };
        let mut parts = Members::new();
        self.collect(schema, name, &mut parts);
        for missing in
            parts.iter().flat_map(|part| &part.1).filter(|required| !object.contains_key(**required))
        {
            faults.push(format!("{place}.{missing} is missing"));
        }
        for (member, value) in object {
            let place = format!("{place}.{member}");
            match parts.iter().find_map(|part| Some((part.0.get(member)?, &part.2))) {
                Some((schema, owner)) => {
                    if !value.is_null() {
                        self.seen.borrow_mut().insert(format!("{owner}.{member}"));
                    }
                    self.check(schema, value, "", &place, faults);
                }
                None => faults.push(format!("{place} is not documented: {value}")),
            }
        }
    }

    /// The members of a schema and of those that it is composed of.
    fn collect<'a>(&'a self, schema: &'a Value, name: &str, parts: &mut Members<'a>) {
        if let Some(reference) = schema.get("$ref") {
            let name = name_of(reference);
            self.collect(self.schema(name), name, parts);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.collect(part, name, parts);
        }
        if let Some(members) = schema.get("properties").and_then(Value::as_object) {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            parts.push((members, required.filter_map(Value::as_str).collect(), name.to_owned()));
        }
    }
}

/// Replaces a reference by its component. A description beside the reference wins (OpenAPI 3.1 §4.8.23).
fn resolve(components: &Value, object: &mut Value) {
    let Some(reference) = object.get("$ref").and_then(Value::as_str) else { return };
    let path = reference.strip_prefix("#/components").expect("a reference");
    let mut component = components.pointer(path).unwrap_or_else(|| panic!("there is no {reference}")).clone();
    if let Some(description) = object.get("description") {
        component["description"] = description.clone();
    }
    *object = component;
}

/// How deep a `oneOf` choice matched before it failed: the deepest is most likely the intended one.
fn depth(faults: &[String]) -> usize {
    let depth = |fault: &String| fault.split(' ').next().unwrap_or_default().matches(['.', '[']).count();
    faults.iter().map(depth).max().unwrap_or(0)
}

fn name_of(reference: &Value) -> &str {
    reference.as_str().and_then(|text| text.strip_prefix("#/components/schemas/")).expect("a reference")
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("there is no type {kind}"),
    }
}
