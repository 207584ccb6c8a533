//! Resident memory of a warm processor: a child process handles batch after batch of 500 records
//! for 500 subjects, with the embedded DynamoDB in this process.

use std::process::Command;

use anyhow::{Context, anyhow, ensure};

use crate::load::{Load, invocation, processor};
use crate::print;
use crate::units::ports;

const LEDGER: &str = "memory";
const SUBJECTS: usize = 500;
const BATCHES: usize = 100;

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = drover_tests::dynamodb::address().map_err(|error| anyhow!(error))?;
    runtime.block_on(ports(LEDGER))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("memory-of")
        .arg(address.to_string())
        .output()?;
    ensure!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    print(String::from_utf8_lossy(&child.stdout).trim_end());
    Ok(())
}

pub(crate) fn run_child(address: Option<String>) -> anyhow::Result<()> {
    let address = address.context("an address")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let processor = processor(drover_tests::dynamodb::at(address, LEDGER));
    let mut load = Load::new(SUBJECTS, i64::try_from(BATCHES)?, false);
    for number in 1..=BATCHES {
        let batch = load.batch(1).context("a batch")?;
        runtime.block_on(processor.handle(invocation(&batch)?))?;
        if number % (BATCHES / 5) == 0 {
            print(&format!("after {number} batches of {SUBJECTS} records: {}", resident()?));
        }
    }
    Ok(())
}

/// `VmRSS` of this process.
fn resident() -> anyhow::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.context("VmRSS")?.trim().to_owned())
}
