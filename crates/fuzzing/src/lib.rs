//! Fuzz targets: what must hold of every parser of outside bytes, whatever the bytes. The bodies stand here, so that the
//! ordinary tests run them on a fixed number of inputs ([`short::run`]) and cargo-fuzz runs them for as long as it is let
//! (`fuzz/`). Nothing here is part of the program.
//!
//! A target takes plain bytes. Where a parser wants more than one thing, its target says how the bytes are cut. A body states
//! properties: nothing panics, what has one spelling is written as it was read, what is refused is refused in bounded words.

mod agency;
mod archive;
mod base;
mod fhir;
mod folders;
mod house;
mod identity;
mod ledger;
pub mod mutate;
mod policy;
mod portal;
mod portal_staff;
pub mod short;
mod staff;
mod store;
mod vault;

/// One parser, or a few that read the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets`. What stands before the first `_` is its subject.
    pub name: &'static str,
    /// Inputs to begin with: whole ones, so that changed ones come past the first check.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What must hold. Panics where it does not.
    pub run: fn(&[u8]),
    /// Longest input in bytes; longer ones are passed over.
    pub bytes_max: usize,
    /// Changed inputs of the short run, by what one costs.
    pub inputs: u32,
}

/// Cheap enough for many: a parser in memory.
const MANY: u32 = 40_000;
/// Files in a temporary folder, or work that grows with the input.
const SOME: u32 = 2_000;
/// Requests to a whole program, or transactions.
const FEW: u32 = 400;

/// Every target, in the order of crates.
pub const TARGETS: &[Target] = &[
    target("base_texts", base::text_seeds, base::texts, 1 << 10, MANY),
    target("fhir_json", fhir::json_seeds, fhir::json, 1 << 16, 20_000),
    target("fhir_texts", fhir::text_seeds, fhir::texts, 1 << 12, MANY),
    target("fhirpath", fhir::path_seeds, fhir::path, 1 << 12, 20_000),
    target("ledger_note", ledger::note_seeds, ledger::note, 1 << 14, MANY),
    target("ledger_keys", ledger::key_seeds, ledger::keys, 1 << 10, 20_000),
    target("ledger_tiles", ledger::tile_seeds, ledger::tiles, 1 << 14, MANY),
    target("ledger_policy", ledger::policy_seeds, ledger::policy, 1 << 14, 20_000),
    target("ledger_witness", ledger::witness_seeds, ledger::witness, 1 << 14, 20_000),
    target("ledger_heads", ledger::heads_seeds, ledger::heads, 1 << 12, 20_000),
    target("ledger_stamp", ledger::stamp_seeds, ledger::stamp, 1 << 14, 20_000),
    target("ledger_square", ledger::square_seeds, ledger::square, 1 << 12, 20_000),
    target("policy_words", policy::word_seeds, policy::words, 1 << 12, MANY),
    target("watch_params", policy::table_seeds, policy::tables, 1 << 14, 2_000),
    target("vault_pack", vault::pack_seeds, vault::pack, 1 << 14, MANY),
    target("vault_keys", vault::key_seeds, vault::keys, 1 << 13, MANY),
    target("vault_key_store", vault::store_seeds, vault::key_store, 1 << 15, 1_500),
    target("vault_backup", vault::backup_seeds, vault::backup, 1 << 15, 1_000),
    target("vault_root", vault::root_seeds, vault::root, 1 << 12, SOME),
    target("store_access_entry", store::entry_seeds, store::entry, 1 << 13, MANY),
    target("store_journal", store::journal_seeds, store::journal, 1 << 14, MANY),
    target("store_bodies", store::body_seeds, store::bodies, 1 << 13, MANY),
    target("store_consent", store::consent_seeds, store::consent, 1 << 14, 20_000),
    target("store_index", store::index_seeds, store::index, 1 << 14, 20_000),
    target("identity_agency", identity::agency_seeds, identity::agency, 1 << 13, FEW),
    target("identity_passkey", identity::passkey_seeds, identity::passkey, 1 << 13, FEW),
    target("identity_tokens", identity::token_seeds, identity::tokens, 1 << 13, FEW),
    target("archive_bag", archive::bag_seeds, archive::bag, 1 << 14, SOME),
    target("archive_bag_info", archive::info_seeds, archive::info, 1 << 13, 20_000),
    target("archive_bundle", archive::bundle_seeds, archive::bundle, 1 << 15, SOME),
    target("archive_deposit", archive::deposit_seeds, archive::deposit, 1 << 14, 50),
    target("archive_directory", archive::directory_seeds, archive::directory, 1 << 13, FEW),
    target("archive_names", archive::name_seeds, archive::names, 1 << 12, MANY),
    target("archive_issued", archive::issued_seeds, archive::issued, 1 << 17, 3_000),
    target("archive_receipt", archive::receipt_seeds, archive::receipt, 1 << 13, 20_000),
    target("archive_inspector", archive::inspector_seeds, archive::inspector, 1 << 6, MANY),
    target("archive_pdf", archive::pdf_seeds, archive::pdf, 1 << 14, SOME),
    target("portal_request", portal::request_seeds, portal::request, 1 << 14, 1_000),
    target("portal_form", portal::form_seeds, portal::form, 1 << 14, 1_000),
    target("portal_staff_form", portal_staff::form_seeds, portal_staff::form, 1 << 14, 2_000),
    target("portal_certificate", portal_staff::certificate_seeds, portal_staff::certificate, 1 << 12, 20_000),
    target("portal_live", portal_staff::live_seeds, portal_staff::live, 1 << 8, 100),
];

const fn target(
    name: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    run: fn(&[u8]),
    bytes_max: usize,
    inputs: u32,
) -> Target {
    Target { name, seeds, run, bytes_max, inputs }
}

/// Runs the target of this name on one input. This is what a file in `fuzz/fuzz_targets` calls.
///
/// # Panics
/// Where a property does not hold, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("every file in fuzz_targets is a target");
    if bytes.len() <= target.bytes_max {
        (target.run)(bytes);
    }
}
