//! The custom section that carries golden records: part of the component, so that one file holds both
//! and a signature covers both.

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

/// The name of the custom section that holds a rule's golden records, as JSON.
pub const GOLDEN_SECTION: &str = "weir:golden-records";

/// What the section of a component holds. None if it has no such section.
///
/// # Errors
///
/// If it has more than one, or is no component that can be read up to its end.
pub(super) fn find(component: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut found = None;
    // Of what is nested in it, only the outermost counts.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| error.message().to_owned())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == GOLDEN_SECTION => {
                let before = found.replace(section.data());
                if before.is_some() {
                    return Err(format!("it has more than one section {GOLDEN_SECTION}"));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Appends the section to a component.
pub(super) fn append(component: &mut Vec<u8>, data: &[u8]) {
    CustomSection { name: GOLDEN_SECTION.into(), data: data.into() }.append_to_component(component);
}
