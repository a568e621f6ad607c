//! Stories of the store on real folders: what is written, found, read, refused, logged and sealed, and what survives.

mod clock;
mod consents;
mod context;
mod crash;
mod editions;
mod grounds;
mod journal;
mod objects;
mod people;
mod permits;
mod races;
mod rebuild;
mod rotate;
mod scrub;
mod sealing;
mod shred;
mod shred_documents;
mod staff;
mod support;
mod watched;
mod witnesses;
mod writing;
