//! What stands around the core module of a rule that the SDK makes. The build script recognizes by it
//! what it compiles, as the library does.

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

/// The digests of the wrappers that say of the rule contract what
/// [`core_module`](crate::exports::core_module) does. Where `wit-component` comes to wrap rules in another
/// way, its digest is added, and what was made before is still known; that it says the same is what the
/// tests of both ways of calling a rule show.
///
/// - `wit-component` 0.263, of version 0.2.0 of the contract
pub(crate) const KNOWN: [[u8; 32]; 1] =
    [*b"\xc1\x2f\xa6\x7b\x8e\x64\xa5\xf9\x6b\x8c\xa4\xa7\x99\xfd\x3e\x48\
       \x63\x91\x34\x0f\x6f\xc7\x57\x73\xc2\xd0\x09\xad\x33\x95\x99\x49"];

/// The core module of a component that consists of this one and of a wrapper that is known, byte for
/// byte. Custom sections are neither: they change nothing of what a component does.
pub(crate) fn core_module(component: &[u8]) -> Option<&[u8]> {
    let (module, wrapper) = unwrap(component)?;
    KNOWN.contains(&wrapper).then_some(module)
}

/// The core module of a component that begins with it and has no other, and the digest of the rest.
fn unwrap(component: &[u8]) -> Option<(&[u8], [u8; 32])> {
    let mut module = None;
    let mut wrapper = Sha256::new();
    // What is nested in the component is part of the section that it is in.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.ok()?;
        let section = payload.as_section().filter(|_| depth == 0);
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        match section {
            None | Some((CUSTOM, _)) => {}
            Some((id, range)) => {
                let range = range.start.try_into().ok()?..range.end.try_into().ok()?;
                let content: &[u8] = component.get(range)?;
                match id {
                    CORE_MODULE if module.is_none() => module = Some(content),
                    _ => {
                        module?;
                        wrapper.update([id]);
                        wrapper.update((content.len() as u64).to_le_bytes());
                        wrapper.update(content);
                    }
                }
            }
        }
    }
    Some((module?, wrapper.finalize().into()))
}

/// The numbers of sections. Source: WebAssembly Component Model, `Binary.md`.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use wasm_encoder::{RawSection, Section};

    use super::*;
    use crate::{DEFAULT_RULE, Engine, FOREST_RULE, Limits, LoadError, Rule};

    /// The sections of a component with their headers, and whether each is a custom one.
    fn sections(component: &[u8]) -> Vec<(bool, &[u8])> {
        let mut sections = Vec::new();
        let (mut depth, mut start) = (0, 8);
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.expect("a section");
            if let Some((id, range)) = payload.as_section().filter(|_| depth == 0) {
                let end = usize::try_from(range.end).expect("a place in it");
                sections.push((id == CUSTOM, &component[start..end]));
                start = end;
            }
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                _ => {}
            }
        }
        sections
    }

    fn joined<'a>(sections: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        [&DEFAULT_RULE[..8]].into_iter().chain(sections).collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_sdks_wrapper_is_known() {
        for component in [DEFAULT_RULE, FOREST_RULE] {
            let (module, wrapper) = unwrap(component).expect("one core module");
            assert!(
                KNOWN.contains(&wrapper),
                "the wrapper is another now: where it says the same as before, add {wrapper:02x?}"
            );
            assert!(module.starts_with(b"\0asm\x01\0\0\0"));
        }
    }

    #[test]
    fn custom_sections_are_no_part_of_it() {
        let all = sections(DEFAULT_RULE);
        assert_eq!(joined(all.iter().map(|(_, section)| *section)), DEFAULT_RULE);
        let bare = joined(all.iter().filter(|(custom, _)| !custom).map(|(_, section)| *section));
        assert!(bare.len() < DEFAULT_RULE.len());
        assert_eq!(core_module(&bare), core_module(DEFAULT_RULE));
    }

    /// The wrapper with another module in it.
    fn around(module: &[u8]) -> Vec<u8> {
        let all = sections(DEFAULT_RULE);
        let wrapper = all.iter().filter(|(custom, _)| !custom).skip(1);
        let mut section = Vec::new();
        RawSection { id: CORE_MODULE, data: module }.append_to(&mut section);
        joined([&section[..]].into_iter().chain(wrapper.map(|(_, section)| *section)))
    }

    /// A module without anything.
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn it_is_known_byte_for_byte() {
        let component = around(EMPTY);
        assert_eq!(core_module(&component), Some(EMPTY));
        for place in 18..component.len() {
            let mut other = component.clone();
            other[place] ^= 1;
            assert_eq!(core_module(&other), None, "at byte {place}");
            assert_eq!(core_module(&component[..place]), None, "{place} bytes");
        }
    }

    #[test]
    fn the_module_is_the_only_one_and_comes_first() {
        let all = sections(DEFAULT_RULE);
        let sections: Vec<_> =
            all.iter().filter(|(custom, _)| !custom).map(|(_, section)| *section).collect();
        let (module, wrapper) = (sections[0], &sections[1..]);
        let wrapper = || wrapper.iter().copied();
        assert!(core_module(&joined([module].into_iter().chain(wrapper()))).is_some());
        assert_eq!(core_module(&joined(wrapper())), None);
        assert_eq!(core_module(&joined([module, module].into_iter().chain(wrapper()))), None);
        assert_eq!(core_module(&joined(wrapper().chain([module]))), None);
    }

    #[test]
    fn a_module_that_is_not_what_its_wrapper_says_is_refused() {
        // Its functions answer with a place that is not aligned.
        let module = r#"(module
            (import "[export]weir:filter/rule@0.2.0" "[resource-new]classifier"
                (func (param i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1)
            (func (export "weir:filter/rule@0.2.0#describe") (result i32) i32.const 1)
            (func (export "weir:filter/rule@0.2.0#[static]classifier.open")
                (param i32 i32) (result i32) i32.const 1)
            (func (export "weir:filter/rule@0.2.0#[method]classifier.classify")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) i32.const 1)
            (func (export "weir:filter/rule@0.2.0#[method]classifier.snapshot")
                (param i32) (result i32) i32.const 1)
            (func (export "weir:filter/rule@0.2.0#[method]classifier.restore")
                (param i32 i32 i32) (result i32) i32.const 1))"#;
        let engine = Engine::new(Limits::default()).expect("an engine");
        let refused = |module: &[u8]| Rule::load(&engine, &around(module)).expect_err("no rule");
        let parse = |module: &str| wat::parse_str(module).expect("valid WAT");
        assert!(matches!(refused(&parse(module)), LoadError::Describe(_)));

        let others = [
            ("rule@0.2.0\" \"[resource-new]", "rule@0.2.1\" \"[resource-new]"),
            ("[resource-new]", "[resource-rep]"),
            ("(param i32) (result i32)))", "(param i64) (result i32)))"),
            ("\"memory\") 1", "\"memory\") i64 1"),
            ("\"memory\"", "\"other\""),
            ("(param i32 i32 i32 i32) (result i32) i32.const 1", "(param i32 i32 i32 i32)"),
            ("(param i32 i32) ", "(param i32 i32 i32) "),
            ("#describe\") (result i32) i32", "#describe\") (result i64) i64"),
            ("#[method]classifier.restore", "#[method]classifier.restores"),
        ];
        for other in others.map(|(from, to)| module.replacen(from, to, 1)) {
            assert_ne!(other, module);
            let error = refused(&parse(&other));
            assert!(matches!(error, LoadError::NotAComponent(_)), "{error} of {other}");
        }
        assert!(matches!(refused(EMPTY), LoadError::NotAComponent(_)));
    }

    #[test]
    fn a_core_module_has_none() {
        let module = core_module(DEFAULT_RULE).expect("a module");
        assert_eq!(core_module(module), None);
        assert_eq!(core_module(b""), None);
    }
}
