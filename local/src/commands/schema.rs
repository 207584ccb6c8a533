//! `drover schema contract|tenant|topics|rules`: prints the JSON Schema of a kind of document, for editors. It
//! needs no host.

use clap::{Args as ClapArgs, ValueEnum};
use drover_core::intake::document::DocumentKind;

const LONG: &str = r#"Print the JSON Schema of a kind of document, for editors

An editor with the schema completes the members of a document and explains them. Save the schema beside the
documents, and name it in each of them:

    drover schema contract > contract.schema.json

    { "$schema": "../contract.schema.json", "name": "climate", … }

`drover apply` ignores "$schema". Or let Visual Studio Code choose the schema by the name of the file, in
.vscode/settings.json:

    { "json.schemas": [
        { "fileMatch": ["contracts/*.json"], "url": "./contract.schema.json" },
        { "fileMatch": ["tenants/*.json"], "url": "./tenant.schema.json" },
        { "fileMatch": ["topics.json"], "url": "./topics.schema.json" },
        { "fileMatch": ["rules/*.json"], "url": "./rules.schema.json" } ] }

`drover apply` checks documents by the same schemas, and also checks rules that no schema can express."#;

/// Print the JSON Schema of a kind of document, for editors
#[derive(ClapArgs, Clone, Debug)]
#[command(long_about = LONG)]
pub struct Args {
    /// The kind of document
    #[arg(value_enum)]
    name: Name,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// contracts/*.json
    Contract,
    /// tenants/*.json
    Tenant,
    /// topics.json
    Topics,
    /// rules/*.json
    Rules,
}

/// The text of the schema.
pub fn run(args: &Args) -> &'static str {
    let kind = match args.name {
        Name::Contract => DocumentKind::Contract,
        Name::Tenant => DocumentKind::Tenant,
        Name::Topics => DocumentKind::Topics,
        Name::Rules => DocumentKind::Rules,
    };
    kind.schema()
}
