package apache

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed testdata/pom.xml
var pom []byte

//go:embed testdata/log4j.properties
var log4j []byte

// HomeVariable names the environment variable that says where the jars are, in its directory libs.
const HomeVariable = "OTTLA_APACHE_HOME"

// RequireVariable names the environment variable that turns "skipped, since Java is missing" into a failure.
const RequireVariable = "OTTLA_REQUIRE_APACHE"

// ErrMissing is returned where this machine lacks what is needed to run Apache Kafka.
var ErrMissing = errors.New("missing on this machine")

// Installation is Apache Kafka 3.9.1 on this machine.
type Installation struct {
	home string // with libs/*.jar
	java string // the java command
}

// Install returns the installation, fetching it with Maven if the cache has none. It returns ErrMissing if
// Java, or Maven when it is needed, is not there.
func Install(ctx context.Context) (*Installation, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("java, to run Apache Kafka: %w", ErrMissing)
	}
	home := os.Getenv(HomeVariable)
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find a cache for Apache Kafka: %w", err)
		}
		home = filepath.Join(cache, "ottla", "apache-kafka-3.9.1")
	}
	i := &Installation{home, java}
	if i.complete() {
		return i, nil
	}
	return i, i.fetch(ctx)
}

// complete reports whether the jars are there. They come as a whole, by a rename; the one that the pom.xml came to name
// last tells an older set from today's.
func (i *Installation) complete() bool {
	_, err := os.Stat(filepath.Join(i.home, "libs", "kafka-streams-3.9.1.jar"))
	return err == nil
}

// fetch assembles the jars, unless another process does so first.
func (i *Installation) fetch(ctx context.Context) error {
	if err := os.MkdirAll(i.home, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(i.home, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if i.complete() {
		return nil
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("mvn, to fetch Apache Kafka into %s: %w", i.home, ErrMissing)
	}
	project := filepath.Join(i.home, "pom.xml")
	if err := os.WriteFile(project, pom, 0o644); err != nil {
		return err
	}
	partial, libs, old := filepath.Join(i.home, "partial"), filepath.Join(i.home, "libs"), filepath.Join(i.home, "old")
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(old)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-f", project, "dependency:copy-dependencies", "-DoutputDirectory="+partial)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch Apache Kafka with %s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	// An older set goes in the same moment: a running virtual machine opens its jars when it needs them, by name.
	if err := os.Rename(libs, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(partial, libs); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// command returns the command that runs a class of Kafka's jars, with its log at the given level on stderr. dir is for
// small files of its own.
func (i *Installation) command(dir, logLevel string, jvm []string, class string, args ...string) (*exec.Cmd, error) {
	return i.run(dir, logLevel, i.jars(), jvm, class, args...)
}

func (i *Installation) jars() string { return filepath.Join(i.home, "libs", "*") }

// run is command with another class path.
func (i *Installation) run(dir, logLevel, classPath string, jvm []string, class string, args ...string) (*exec.Cmd, error) {
	config := filepath.Join(dir, "log4j.properties")
	if err := os.WriteFile(config, log4j, 0o644); err != nil {
		return nil, err
	}
	line := append([]string{}, jvm...)
	line = append(line, "-Dlog4j.configuration=file:"+config, "-Dottla.log.level="+logLevel,
		"-cp", classPath, class)
	return exec.Command(i.java, append(line, args...)...), nil
}
