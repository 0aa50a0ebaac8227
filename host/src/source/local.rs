use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;

use super::error::FetchProblem;
use super::store::{self, Object, Part, Read, Revision, Store, Wanted};
use super::{SIGNATURE_SUFFIX, versions};

/// How long a file has to be left alone before its time of change is trusted to tell of the next
/// change: as coarse as the times of file systems in use are.
const SETTLED: Duration = Duration::from_secs(2);

/// A file, or a directory of versions.
pub(super) struct Local {
    path: PathBuf,
}

impl Local {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) async fn read(
        &self,
        known: Option<&Revision>,
        wanted: Wanted,
    ) -> Result<Option<Read>, FetchProblem> {
        let path = self.path.clone();
        let file = blocking(move || match path.is_dir() {
            true => versions::highest(&path),
            false => Ok(path),
        });
        store::read(&FileStore { path: file.await? }, known, wanted).await
    }
}

/// A file, with its signature beside it.
struct FileStore {
    path: PathBuf,
}

impl Store for FileStore {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn get(
        &self,
        part: Part,
        tag: Option<&str>,
        maximum: usize,
    ) -> Result<Object, FetchProblem> {
        let mut path = self.path.clone();
        if part == Part::Signature {
            path.as_mut_os_string().push(SIGNATURE_SUFFIX);
        }
        let tag = tag.map(str::to_owned);
        blocking(move || read(&path, part, tag.as_deref(), maximum)).await
    }
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, FetchProblem> + Send + 'static,
) -> Result<T, FetchProblem> {
    let read = spawn_blocking(read).await;
    read.unwrap_or_else(|ended| Err(FetchProblem::Unavailable(ended.to_string())))
}

fn read(
    path: &Path,
    part: Part,
    tag: Option<&str>,
    maximum: usize,
) -> Result<Object, FetchProblem> {
    let problem = |error: io::Error| problem(path, &error);
    // Before it is opened: to open a pipe is to wait for whoever writes to it.
    let before = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Object::Missing),
        Err(error) => return Err(problem(error)),
    };
    if !before.is_file() {
        return Err(FetchProblem::Invalid(format!("{}: not a regular file", path.display())));
    }
    if tag == Some(stamp(path, &before).as_str()) {
        return Ok(Object::Unchanged);
    }
    let mut file = File::open(path).map_err(problem)?;
    let opened = stamp(path, &file.metadata().map_err(problem)?);
    let mut bytes = Vec::new();
    let most = u64::try_from(maximum).unwrap_or(u64::MAX).saturating_add(1);
    (&mut file).take(most).read_to_end(&mut bytes).map_err(problem)?;
    if bytes.len() > maximum {
        return Err(FetchProblem::TooLarge { part: part.name(), maximum });
    }
    // What was read is whole if it was the same file from the first look to the last.
    let (read, now) = (file.metadata().map_err(problem)?, fs::metadata(path));
    let now = now.map_err(|_| FetchProblem::Changed)?;
    let stamps = [&before, &read, &now].map(|metadata| stamp(path, metadata));
    if stamps.iter().any(|stamp| *stamp != opened) || read.len() != bytes.len() as u64 {
        return Err(FetchProblem::Changed);
    }
    Ok(Object::Found { bytes, tag: settled(&read).then_some(opened) })
}

/// What tells one state of a file from the next without reading it.
fn stamp(path: &Path, metadata: &Metadata) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        format!(
            "{}:{}:{}:{}:{}.{}:{}.{}",
            path.display(),
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        )
    }
    #[cfg(not(unix))]
    {
        format!("{}:{}:{:?}", path.display(), metadata.len(), metadata.modified().ok())
    }
}

/// Whether the next change of a file will show in its times, however soon it comes.
fn settled(metadata: &Metadata) -> bool {
    let modified = metadata.modified().ok();
    let age = modified.and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > SETTLED)
}

fn problem(path: &Path, error: &io::Error) -> FetchProblem {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => FetchProblem::NotFound(text),
        io::ErrorKind::PermissionDenied => FetchProblem::Denied(text),
        _ => FetchProblem::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::source::{FetchError, FetchLimits, Fetched, Fetcher, RuleSource};

    /// A folder of its own.
    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn write(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, content).expect("a file");
            path
        }

        /// A file that was last changed long ago.
        fn write_settled(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.write(name, content);
            let file = File::options().write(true).open(&path).expect("the file");
            file.set_modified(SystemTime::now() - 5 * SETTLED).expect("a time");
            path
        }
    }

    fn fetcher(path: impl Into<PathBuf>) -> Fetcher {
        Fetcher::new(RuleSource::local(path), FetchLimits::default())
    }

    /// Fetches, on a runtime of its own.
    fn fetch(fetcher: &mut Fetcher) -> Result<Option<Fetched>, FetchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(fetcher.fetch())
    }

    #[test]
    fn what_was_brought_is_not_brought_again() {
        let folder = Folder::new();
        for path in [folder.write("new.wasm", b"1"), folder.write_settled("old.wasm", b"1")] {
            let mut fetcher = fetcher(&path);
            assert_eq!(fetch(&mut fetcher).expect("a file").expect("new").component, b"1");
            assert_eq!(fetch(&mut fetcher), Ok(None));
            // Of the same size, and at once.
            fs::write(&path, b"2").expect("a file");
            assert_eq!(fetch(&mut fetcher).expect("a file").expect("new").component, b"2");
            fs::remove_file(&path).expect("a file");
            let gone = fetch(&mut fetcher).expect_err("nothing is there").problem;
            assert!(matches!(gone, FetchProblem::NotFound(_)), "{gone}");
            fs::write(&path, b"2").expect("a file");
            assert_eq!(fetch(&mut fetcher), Ok(None));
        }
    }

    #[test]
    fn a_signature_that_comes_later_is_brought_with_what_it_signs() {
        let folder = Folder::new();
        let path = folder.write_settled("fever.wasm", b"rule");
        let mut fetcher = fetcher(path);
        let unsigned = fetch(&mut fetcher).expect("a file").expect("new");
        assert_eq!(unsigned.signature, None);
        folder.write_settled("fever.wasm.sig", b"first");
        let signed = fetch(&mut fetcher).expect("a file").expect("new");
        assert_eq!(
            (&*signed.component, signed.signature.as_deref()),
            (&b"rule"[..], Some(&b"first"[..]))
        );
        assert_eq!(fetch(&mut fetcher), Ok(None));
        folder.write("fever.wasm.sig", b"other");
        let signed = fetch(&mut fetcher).expect("a file").expect("new");
        assert_eq!(signed.signature.as_deref(), Some(&b"other"[..]));
        fs::remove_file(folder.0.path().join("fever.wasm.sig")).expect("a file");
        assert_eq!(fetch(&mut fetcher).expect("a file").expect("new").signature, None);
    }

    #[test]
    fn the_highest_version_is_brought_and_the_one_below_when_it_goes() {
        let folder = Folder::new();
        folder.write("fever-1.9.0.wasm", b"1.9");
        let mut fetcher = fetcher(folder.0.path());
        let mut brought = || {
            let fetched = fetch(&mut fetcher).expect("versions").expect("another");
            String::from_utf8(fetched.component).expect("text")
        };
        assert_eq!(brought(), "1.9");
        let newer = folder.write("fever-1.10.0.wasm", b"1.10");
        assert_eq!(brought(), "1.10");
        fs::remove_file(newer).expect("a file");
        assert_eq!(brought(), "1.9");
    }

    #[test]
    fn what_is_pinned_must_be_it() {
        let folder = Folder::new();
        let path = folder.write("fever.wasm", b"1");
        let source = RuleSource::local(&path).pinned(crate::Digest::of(b"2"));
        let mut fetcher = Fetcher::new(source, FetchLimits::default());
        let problem = fetch(&mut fetcher).expect_err("another component").problem;
        assert!(matches!(problem, FetchProblem::WrongComponent { .. }), "{problem}");
        fs::write(&path, b"2").expect("a file");
        assert!(fetch(&mut fetcher).expect("the component").is_some());
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = Folder::new();
        let path = folder.write("fever.wasm", b"123");
        let limited = |component_bytes| {
            let limits = FetchLimits { component_bytes, ..FetchLimits::default() };
            Fetcher::new(RuleSource::local(&path), limits)
        };
        assert!(fetch(&mut limited(3)).is_ok());
        let problem = fetch(&mut limited(2)).expect_err("too large").problem;
        let part = "the component";
        assert_eq!(problem, FetchProblem::TooLarge { part, maximum: 2 });
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = Folder::new();
        let path = folder.0.path().join("fever.wasm");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let problem = fetch(&mut fetcher(path)).expect_err("not a file").problem;
        assert!(matches!(problem, FetchProblem::Invalid(_)), "{problem}");
    }

    /// Whatever is brought is one of the files that were put there, never a mixture.
    #[test]
    fn a_file_that_is_rewritten_all_the_time_is_brought_whole_or_not_at_all() {
        let folder = Folder::new();
        let contents = [vec![b'a'; 300_000], vec![b'b'; 200_000]];
        let path = folder.write("fever.wasm", &contents[0]);
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for content in contents.iter().cycle() {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    fs::write(&path, content).expect("a file");
                }
            });
            for _ in 0..200 {
                match read(&path, Part::Component, None, 1 << 20) {
                    Err(FetchProblem::Changed) => {}
                    Ok(Object::Found { bytes, .. }) => {
                        let first = bytes.first().copied().unwrap_or_default();
                        assert!(bytes.iter().all(|byte| *byte == first));
                    }
                    other => panic!("{other:?}"),
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
}
