"""Words of nine languages for made-up shops: products, places and people as the exports of such shops have them."""
# ruff: noqa: RUF001 (the Turkish i without a dot)

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Locale:
    """What a shop of one language sells, and to whom. `groups`: category -> nouns and a typical price."""

    groups: dict[str, tuple[str, float]]
    variants: str
    brands: str
    cities: str
    countries: str
    first: str
    last: str
    streets: str


LOCALES = {
    "en": Locale(
        {
            "Kitchen": ("Kettle,Saucepan,Chopping board,Mixing bowl,Tea towel", 18),
            "Garden": ("Watering can,Spade,Planter,Bird feeder", 24),
            "Stationery": ("Notebook,Fountain pen,Envelope,Calendar", 6),
            "Toys": ("Puzzle,Wooden train,Kite,Teddy bear", 15),
        },
        "small,large,blue,red,classic,deluxe,oak,steel",
        "Hartley & Co,Brightside,Oldfield,Northway,Pemberton",
        "London,Leeds,Bristol,Glasgow,Cardiff,York",
        "GB,IE,US",
        "Olivia,Amelia,George,Harry,Isla,Noah,Freya,Arthur,Poppy,Oscar",
        "Whitfield,Ashdown,Carmichael,Holloway,Pickering,Thornbury,Lockwood,Redfern",
        "12 Mill Lane,4 Station Road,88 High Street,7 Orchard Close,31 Church Road",
    ),
    "de": Locale(
        {
            "Töpfe": ("Blumentopf,Übertopf,Pflanzkübel,Kräutertopf", 14),
            "Möbel": ("Gartenstuhl,Liege,Gartentisch,Bank", 890),
            "Saatgut": ("Möhren,Rüben,Kürbis,Kohlrabi,Gänseblümchen", 3),
            "Werkzeug": ("Spaten,Säge,Rechen,Gießkanne", 28),
        },
        "klein,groß,grün,weiß,Eiche,rund,eckig,Größe M",
        "Grünzeug,Laube & Söhne,Hortus,Gärtnerglück,Müller",
        "Köln,München,Düsseldorf,Hamburg,Wien,Zürich",
        "DE,AT,CH",
        "Jürgen,Bärbel,Käthe,Günther,Anna,Lukas,Sören,Mia,Jörg,Heike",
        "Müller,Schröder,Weiß,Krüger,Bäcker,Schäfer,Lange,Vogt",
        "Hauptstraße 5,Am Markt 12,Goethestraße 88,Mühlenweg 3,Bahnhofstr. 41",
    ),
    "fr": Locale(
        {
            "Littérature française": ("Roman,Nouvelles,Poésie,Théâtre,Récit d'été", 21),
            "Bande dessinée": ("Album,Intégrale,Manga,Coffret", 15),
            "Jeunesse": ("Conte,Imagier,Cahier d'activités,Fée", 11),
            "Beaux livres": ("Atlas,Catalogue d'exposition,Château,Photographie", 1190),
        },
        "tome 1,tome 2,illustré,poche,relié,édition limitée,broché,première époque",
        "Éditions du Chêne vert,Façade,La Marée,Pré-aux-Clercs,Les Étoiles",
        "Paris,Lyon,Orléans,Nîmes,Besançon,Liège",
        "FR,BE,CH",
        "Chloé,Zoé,François,Jérôme,Hélène,Noël,Agnès,Théo,Maëlle,Rémi",
        "Lefèvre,Dubois,Béranger,Françoise,Moreau,Gérard,Bélanger,Ménard",
        "12 rue de l'Église,4 avenue Foch,8 bis place du Marché,77 boulevard Voltaire,3 allée des Chênes",
    ),
    "es": Locale(
        {
            "Analgésicos": ("Ibuprofeno,Paracetamol,Aspirina,Gel frío", 6),
            "Cosmética": ("Crema de día,Champú,Jabón de leña,Protección solar", 17),
            "Niños": ("Pañales,Biberón,Leche de inicio,Chupete", 19),
            "Nutrición": ("Vitamina C,Magnesio,Jalea real,Infusión de otoño", 12),
        },
        "400 mg,sin azúcar,pequeño,200 ml,ecológico,para bebé,señora,clásico",
        "Laboratorios Peña,Farmañol,Bética,Ordóñez,Sanísima",
        "Málaga,Córdoba,Cádiz,Madrid,A Coruña,León",
        "ES,PT,AD",
        "María,José,Íñigo,Lucía,Begoña,Andrés,Sofía,Ramón,Inés,Ángel",
        "Muñoz,García,Ibáñez,Peña,Núñez,López,Vázquez,Castaño",
        "Calle Mayor 5,Avenida de España 12,Plaza del Ángel 3,Calle Núñez de Balboa 44,Paseo Marítimo 8",
    ),
    "pt": Locale(
        {
            "Eletrônicos": ("Fone de ouvido,Carregador,Câmera,Caixa de som", 230),
            "Cama e banho": ("Lençol,Toalha,Edredom,Travesseiro", 90),
            "Cozinha": ("Panela de pressão,Açucareiro,Pão de forma,Fogão", 310),
            "Bebês": ("Mamadeira,Berço,Fralda,Chocalho de algodão", 55),
        },
        "preto,azul,grande,portátil,de algodão,inox,padrão,edição especial",
        "Maré,Coração,São João,Três Irmãos,Aço & Cia",
        "São Paulo,Brasília,Florianópolis,Maceió,Curitiba,Belém",
        "BR,PT,AO",
        "João,Antônia,Luís,Conceição,Mateus,Vitória,Tomás,Inácia,César,Lívia",
        "Araújo,Gonçalves,Magalhães,Simões,Conceição,Brandão,Farias,Leitão",
        "Rua das Flores 120,Avenida Brasil 3000,Travessa São João 8,Rua do Açude 55,Praça da Sé 1",
    ),
    "it": Locale(
        {
            "Abiti": ("Vestito,Tailleur,Tubino,Abito da sera", 120),
            "Maglieria": ("Maglione,Cardigan,Felpa,Lupetto", 70),
            "Calzature": ("Stivaletto,Mocassino,Sandalo,Ballerina", 110),
            "Accessori": ("Cintura,Sciarpa,Borsa,Cappello di città", 40),
        },
        "nero,blu,taglia M,taglia L,in pelle,più lungo,a righe,in lana",
        "Società Moda,Bontà,Virtù,Perché No,Lanificio Rossi",
        "Milano,Forlì,Cefalù,Torino,Napoli,Bari",
        "IT,SM,CH",
        "Niccolò,Giulia,Noè,Chiara,Matteo,Alessia,Fabrizio,Elena,Ruggero,Ivana",
        "Rossi,Bianchi,Nicolò,Colombo,Dalla Libertà,Greco,Fontana,Carrà",
        "Via Roma 3,Corso Italia 88,Piazza della Libertà 1,Via Garibaldi 21,Viale Europa 7",
    ),
    "nl": Locale(
        {
            "Zuivel": ("Melk,Yoghurt,Kaas,Crème fraîche", 2),
            "Brood": ("Volkoren,Croissant,Krentenbol,Patéstokbrood", 3),
            "Groente": ("Spruiten,Paprika,Prei,Witlof", 2),
            "Dranken": ("Appelsap,Koffie,Thee,Rosé", 5),
        },
        "klein,groot,biologisch,naturel,per stuk,500 g,vers,één liter",
        "De Weide,Bakker Jansen,Eigen merk,Oranjehof,Café Noir",
        "Utrecht,Den Haag,Groningen,Maastricht,Breda,Zwolle",
        "NL,BE,DE",
        "Sanne,Daan,Loïs,Jurriën,Femke,Thijs,Noëlle,Bram,Marijke,Koen",
        "de Vries,van den Berg,Jansen,Bakker,Meijer,van Dijk,Mulder,Hoekstra",
        "Dorpsstraat 5,Kerkplein 12,Stationsweg 88,Molenlaan 3,Oude Gracht 41",
    ),
    "pl": Locale(
        {
            "Przeciwbólowe": ("Ibuprofen,Paracetamol,Maść rozgrzewająca,Żel chłodzący", 19),
            "Kosmetyki": ("Krem,Szampon,Mydło,Odżywka do włosów", 34),
            "Sprzęt": ("Ciśnieniomierz,Inhalator,Łóżko rehabilitacyjne,Wózek", 1450),
            "Zioła": ("Mięta,Rumianek,Szałwia,Dziurawiec", 9),
        },
        "200 mg,duże,małe,dla dzieci,bez cukru,żółty,mocne,pięć sztuk",
        "Zdrowie,Łąka,Ziołolek,Świt,Gęsia Szyja",
        "Łódź,Kraków,Gdańsk,Poznań,Wrocław,Białystok",
        "PL,CZ,DE",
        "Łukasz,Małgorzata,Paweł,Żaneta,Stanisław,Agnieszka,Wiesław,Grażyna,Michał,Bożena",
        "Wiśniewski,Wójcik,Kamińska,Dąbrowski,Zieliński,Jabłońska,Król,Łuczak",
        "ul. Długa 5,ul. Świętego Marcina 12,al. Niepodległości 88,ul. Łąkowa 3,pl. Wolności 4",
    ),
    "tr": Locale(
        {
            "Edebiyat": ("Roman,Öykü,Şiir,Deneme", 140),
            "Çocuk": ("Masal,Boyama kitabı,Bilmece,Küçük ayı", 85),
            "Tarih": ("Osmanlı,Anadolu,Göktürk,Çanakkale", 210),
            "Sınav": ("Deneme sınavı,Soru bankası,Sözlük,Yaprak test", 1250),
        },
        "ciltli,karton kapak,büyük boy,küçük boy,özel basım,resimli,1. cilt,2. cilt",
        "Çınar Yayınları,Işık,Güneş,Kırmızı Kedi Evi,Doğu",
        "İstanbul,İzmir,Eskişehir,Muğla,Diyarbakır,Ankara",
        "TR,DE,CY",
        "Ayşe,Çağlar,Gülşen,İbrahim,Şule,Ömer,Yiğit,Elif,Oğuz,Zeynep",
        "Yılmaz,Şahin,Çelik,Öztürk,Kılıç,Aydın,Doğan,Güneş",
        "Atatürk Caddesi 5,Gül Sokak 12,Çarşı Mahallesi 8,İnönü Bulvarı 44,Çınar Sk. 3",
    ),
}
