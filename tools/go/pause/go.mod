module github.com/kleveross/klever/tools/pause

go 1.26
