//! How rules become native code. The build script compiles the embedded rule by the same settings,
//! so that an engine takes its code as its own: nothing here may depend on [`Limits`] or on the
//! machine that builds.
//!
//! [`Limits`]: crate::Limits

use wasmtime::Config;

/// The settings that native code depends on, to run on this machine or on `target`, a triple.
///
/// # Errors
///
/// If `target` is no triple.
pub(crate) fn config(target: Option<&str>) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The same bytes give the same outcome on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    match target {
        Some(target) => {
            let level = level(target.split('-').next().unwrap_or_default());
            config.target(target)?;
            for feature in level.features {
                // SAFETY: it lets the compiler use a feature of the processor, no more. Before code
                // runs, wasmtime checks that the machine has what the code was compiled for.
                unsafe { config.cranelift_flag_enable(feature) };
            }
        }
        None => {
            for feature in level(std::env::consts::ARCH).beyond {
                // SAFETY: it keeps the compiler from using a feature of the processor, no more.
                unsafe { config.cranelift_flag_set(feature, "false") };
            }
        }
    }
    Ok(config)
}

/// What code may use of a processor: what nearly all of its kind have, so that code compiled on one
/// machine runs on the next, and is the same on both. By the names of Cranelift's flags.
struct Level {
    /// What code for an unseen machine counts on.
    features: &'static [&'static str],
    /// What the compiler would use beyond that if it finds it on this machine.
    beyond: &'static [&'static str],
}

/// The level of an architecture.
fn level(architecture: &str) -> Level {
    match architecture {
        // x86-64-v3 (System V ABI, AMD64 supplement, 3.1.1): Intel since Haswell, of 2013, AMD since
        // Excavator, of 2015.
        "x86_64" => Level {
            features: &[
                "has_cmpxchg16b",
                "has_sse3",
                "has_ssse3",
                "has_sse41",
                "has_sse42",
                "has_popcnt",
                "has_avx",
                "has_avx2",
                "has_bmi1",
                "has_bmi2",
                "has_fma",
                "has_lzcnt",
            ],
            beyond: &[
                "has_avx512bitalg",
                "has_avx512dq",
                "has_avx512f",
                "has_avx512vbmi",
                "has_avx512vl",
                "has_avx512vnni",
                "has_avx_vnni",
            ],
        },
        // The baseline holds all that wasm's SIMD needs. What the compiler may use beyond it is for
        // atomics, half floats, dot products and signed pointers, which rules have no use for.
        "aarch64" => Level {
            features: &[],
            beyond: &["has_dotprod", "has_fp16", "has_i8mm", "has_lse", "has_pauth"],
        },
        _ => Level { features: &[], beyond: &[] },
    }
}
