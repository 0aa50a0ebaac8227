//! The command line: a thin caller of the library.

mod new;

mod rule_crate;

mod build;

mod compile;

mod diff;

mod test;

mod sign;

mod verify;

mod counted;

mod exit;

mod files;

mod followed;

mod inflated;

mod inspect;

mod input;

mod limits;

mod metrics;

mod note;

mod output;

mod precompile;

mod pull;

mod push;

mod record;

mod replay;

mod report;

mod run;

mod said;

mod score;

mod scores;

mod screen;

mod secrets;

mod setup;

mod shutdown;

mod signals;

mod single_file;

mod spinner;

mod traffic;

mod whole_file;

#[cfg(feature = "lambda")]
mod lambda;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

use crate::compiler::Compiler;

/// A filter for record streams: sandboxed rules, flagged records to Amazon SNS, every record
/// answered
#[derive(Debug, Parser)]
#[command(name = "weir", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  weir run examples/vital-signs.json --upper 1.5
  weir inspect
  weir run --help";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run events through a rule, publish what it flags, answer every record
    Run(run::RunArgs),
    /// Show how a rule scores records, and which thresholds would suit
    Score(score::ScoreArgs),
    /// Show what a rule is: name, version, size, imports, exports, settings
    Inspect(inspect::InspectArgs),
    /// Show what would change with another rule or other settings
    Diff(diff::DiffArgs),
    /// Record events, to try other rules on and to prove verdicts again
    Record(record::RecordArgs),
    /// Prove the verdicts of a recording again
    Replay(replay::ReplayArgs),
    /// Begin a rule: a crate with settings, tests and golden records
    New(new::NewArgs),
    /// Turn a rule's crate into a component
    Build(build::BuildArgs),
    /// Have a rule classify its golden records, and show what differs
    Test(test::TestArgs),
    /// Sign a rule
    Sign(sign::SignArgs),
    /// Check a rule as it is checked before it runs: signature, settings, golden records
    Verify(verify::VerifyArgs),
    /// Compile a rule ahead, so that it need not be compiled when it is started
    Precompile(precompile::PrecompileArgs),
    /// Compile the rule on standard input, for the process that asks for it
    #[command(name = Compiler::COMMAND, hide = true)]
    Compile(compile::CompileArgs),
    /// Put a rule into an OCI registry, with its signature
    Push(push::PushArgs),
    /// Fetch a rule, with its signature, into a file
    Pull(pull::PullArgs),
    /// Serve as an AWS Lambda function
    #[cfg(feature = "lambda")]
    Lambda(lambda::LambdaArgs),
}

/// Runs the command that the process was started with.
///
/// Exit codes: 0 if all was answered, 1 if something could not be processed, 2 if it was called or
/// configured wrongly, 130 or 143 if a signal ended it.
pub fn main() -> ExitCode {
    if let Err(error) = signals::prepare() {
        return exit::code(Err(exit::Failure::runtime(error)));
    }
    // The Lambda service starts a `bootstrap` without a word.
    #[cfg(feature = "lambda")]
    if std::env::args_os().len() == 1 && std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return exit::code(lambda::main(lambda::LambdaArgs::default()));
    }
    let cli = Cli::try_parse().unwrap_or_else(|error| quoting_no_secrets(error).exit());
    exit::code(match cli.command {
        Command::Run(args) => run::main(args),
        Command::Score(args) => score::main(args),
        Command::Inspect(args) => inspect::main(args),
        Command::Diff(args) => diff::main(args),
        Command::Record(args) => record::main(args),
        Command::Replay(args) => replay::main(args),
        Command::New(args) => new::main(args),
        Command::Build(args) => build::main(args),
        Command::Test(args) => test::main(args),
        Command::Sign(args) => sign::main(args),
        Command::Verify(args) => verify::main(args),
        Command::Precompile(args) => precompile::main(args),
        Command::Compile(args) => return compile::main(args),
        Command::Push(args) => push::main(args),
        Command::Pull(args) => pull::main(args),
        #[cfg(feature = "lambda")]
        Command::Lambda(args) => lambda::main(args),
    })
}

/// Errors quote the value that they refuse.
fn quoting_no_secrets(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let value = ContextValue::String(secrets::without_secrets(value));
        error.insert(ContextKind::InvalidValue, value);
    }
    error
}
