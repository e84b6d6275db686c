package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/magiconair/properties"
)

// readProperties reads a Java properties file: ISO-8859-1, and ${name} is just text.
func readProperties(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	m, err := parseProperties(b)
	if err != nil {
		return nil, fmt.Errorf("read the configuration %s: %w", file, err)
	}
	return m, nil
}

func parseProperties(b []byte) (map[string]string, error) {
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	p, err := loader.LoadBytes(b)
	if err != nil {
		return nil, err
	}
	return p.Map(), nil
}

// parseOverrides reads the key=value pairs of --override. The value may hold further equals signs.
func parseOverrides(overrides []string) (map[string]string, error) {
	m := make(map[string]string, len(overrides))
	for _, o := range overrides {
		k, v, ok := strings.Cut(o, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			return nil, fmt.Errorf("--override %q: want key=value", o)
		}
		m[k] = v
	}
	return m, nil
}
