// CoreDNS with the plugins that the test cluster uses. The whole of it compiles the clients of three clouds.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"

	_ "github.com/coredns/coredns/plugin/bind"
)

func main() {
	coremain.Run()
}
