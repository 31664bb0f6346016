package dashboard_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func readYAML(t *testing.T, path string, to any, strict bool) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(strict)
	if err := decoder.Decode(to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// service is one of docker-compose.yml, as far as it says who reaches what.
type service struct {
	Image       string
	User        string
	Profiles    []string
	Ports       []string
	Volumes     []string
	Environment map[string]string
	Networks    yaml.Node
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
}

type compose struct {
	Services map[string]service
	Networks map[string]struct{ Internal bool }
}

// mounts returns what a service finds where, by the path within it.
func (s service) mounts() map[string]string {
	at := map[string]string{}
	for _, volume := range s.Volumes {
		if part := strings.Split(volume, ":"); len(part) == 3 && part[2] == "ro" {
			at[part[1]] = "../../" + part[0]
		}
	}
	return at
}

var (
	published = regexp.MustCompile(`^127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+$`)
	pinned    = regexp.MustCompile(`^\$\{[A-Z]+_IMAGE:-[a-z/]+:v?\d+\.\d+(\.\d+)?\}$`)
)

func TestCompose(t *testing.T) {
	t.Parallel()
	var file compose
	readYAML(t, "../../docker-compose.yml", &file, false)
	for name, s := range file.Services {
		for _, port := range s.Ports {
			if !published.MatchString(port) {
				t.Errorf("%s publishes %s: want 127.0.0.1 alone", name, port)
			}
		}
		if s.Image != "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: got image %s, want a version", name, s.Image)
		}
		if !s.ReadOnly || strings.Join(s.CapDrop, " ") != "ALL" || strings.Join(s.SecurityOpt, " ") != "no-new-privileges:true" {
			t.Errorf("%s may do too much", name)
		}
		if observed := name == "prometheus" || name == "grafana"; observed != (strings.Join(s.Profiles, " ") == "observability") {
			t.Errorf("%s: got profiles %v", name, s.Profiles)
		}
	}
	if !file.Networks["metrics"].Internal {
		t.Error("the metrics can be reached from outside")
	}
	grafana := file.Services["grafana"].Environment
	for name, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer", "GF_AUTH_BASIC_ENABLED": "false",
		"GF_AUTH_DISABLE_LOGIN_FORM": "true", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true", "GF_USERS_ALLOW_SIGN_UP": "false",
	} {
		if grafana[name] != want {
			t.Errorf("Grafana: got %s=%q, want %q", name, grafana[name], want)
		}
	}
}

// TestPrometheus: it asks each process at the address that docker-compose.yml gives it, and finds the rules where they are.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	var file compose
	readYAML(t, "../../docker-compose.yml", &file, false)
	var config struct {
		Global struct {
			Scrape     string `yaml:"scrape_interval"`
			Timeout    string `yaml:"scrape_timeout"`
			Evaluation string `yaml:"evaluation_interval"`
		}
		Rules   []string `yaml:"rule_files"`
		Scrapes []struct {
			Job     string `yaml:"job_name"`
			Statics []struct {
				Targets []string
				Labels  map[string]string
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, observability+"prometheus.yml", &config, true)
	mounts := file.Services["prometheus"].mounts()
	for _, path := range append(config.Rules, "/etc/prometheus/prometheus.yml") {
		if _, err := os.Stat(mounts[path]); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	asked := map[string]string{}
	for _, scrape := range config.Scrapes {
		if scrape.Job != "watchword" {
			t.Errorf("got job %q, which neither alerts nor dashboard know", scrape.Job)
		}
		for _, static := range scrape.Statics {
			asked[static.Labels["replica"]] = strings.Join(static.Targets, " ")
		}
	}
	for _, name := range []string{"api1", "api2"} {
		if addr := file.Services[name].Environment["WATCHWORD_METRICS_ADDR"]; addr == "" || asked[name] != addr {
			t.Errorf("%s serves metrics at %q, and is asked at %q", name, addr, asked[name])
		}
	}
}

// TestGrafana: it finds its source and its dashboard.
func TestGrafana(t *testing.T) {
	t.Parallel()
	var file compose
	readYAML(t, "../../docker-compose.yml", &file, false)
	var sources struct {
		Version int `yaml:"apiVersion"`
		Prune   bool
		Sources []struct {
			Name, UID, Type, Access, URL string
			Default                      bool `yaml:"isDefault"`
			Editable                     bool
			JSON                         map[string]string `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	readYAML(t, observability+"grafana/provisioning/datasources/prometheus.yml", &sources, true)
	if s := sources.Sources; len(s) != 1 || s[0].UID != "prometheus" || s[0].Type != "prometheus" || s[0].URL != "http://prometheus:9090" || s[0].Editable {
		t.Errorf("got sources %+v", s)
	}
	var boards struct {
		Version   int `yaml:"apiVersion"`
		Providers []struct {
			Name, Type string
			Fixed      bool `yaml:"disableDeletion"`
			Editable   bool `yaml:"allowUiUpdates"`
			Options    struct{ Path string }
		}
	}
	readYAML(t, observability+"grafana/provisioning/dashboards/watchword.yml", &boards, true)
	mounts := file.Services["grafana"].mounts()
	if len(boards.Providers) != 1 || boards.Providers[0].Editable {
		t.Fatalf("got providers %+v", boards.Providers)
	}
	path := mounts[boards.Providers[0].Options.Path] + "/watchword.json"
	if _, err := os.Stat(path); err != nil || readDashboard(t).UID != "watchword" {
		t.Errorf("the dashboard: %v", err)
	}
	if home := file.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]; home != boards.Providers[0].Options.Path+"/watchword.json" {
		t.Errorf("got the page %s to begin with", home)
	}
}
