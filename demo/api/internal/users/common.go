package users

import "strings"

// wellKnown are words and phrases of which passwords are made that turn up in every list of leaked ones, as fold leaves them. Digits before
// and after do not help. The list is a demo's: it shows where the check belongs. A real service compares with all passwords that are
// known to have leaked, hundreds of millions, which can be asked for by a prefix of their hash.
var wellKnown = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		abc abcabc abcd access account admin adminadmin administrator administrador angel apple asdf asdfasdf asdfghjkl asdfghjklqwertyuiop
		baseball basketball batman billgates blink buster butterfly
		changeit changeme changemenow charlie cheese chocolate computer cookie correcthorsebatterystaple
		default defaultpassword demo demopassword donald dragon
		enterpassword everything
		facebook firebird flower football forever freedom fuckyou
		george godisgood godislove google guest
		hallo hannah harley hello helloworld hockey hunter
		iamthebest iamtheboss iamtheking iloveme ilovemyfamily ilovemyhusband ilovemylife ilovemymom ilovemymum ilovemyself ilovemywife
		iloveu iloveyou iloveyouforever iloveyousomuch internet itsasecret
		jennifer jesus jesuschrist jesusislord jesuslovesme jordan
		killer
		letmein letmeinnow letmeinplease liverpool lovely loveme loveyou
		manager master maytheforcebewithyou michael minecraft monkey mustang mypassword mypasswordis
		naruto nopassword nothing
		pass passpass passphrase passw passwd password passwordadmin passwordispassword passwordone passwort pikachu playstation pokemon princess
		qazwsx qazwsxedc qwer qwert qwerty qwertyqwerty qwertyuiop qwertz
		root rootpassword rootroot
		samsung secret secretpassword shadow soccer something spiderman starwars summer sunshine superman superpassword supersecret
		supersecretpassword supervisor sysadmin system
		takecareofyou temp temporary temporarypassword test testing testpassword testtest thequickbrownfox
		thequickbrownfoxjumpsoverthelazydog thisisapassword thisismypassword thisisnotapassword thisisthepassword tobeornottobe trustno
		user username
		verysecret verysecretpassword
		watchword watchwordwatchword welcome welcomehome whatever whatismypassword wordpass
		yourpassword yourpasswordhere
		zaqwsx
	`) {
		words[word] = true
	}
	return words
}()
